"""How the arrays of a forest are laid out, which its reader and the compiled loops share."""

# Leaves of a tree are bits of one uint32.
MOST_LEAVES = 32
# x · DE_BRUIJN >> 27 is a different number below 32 for each power of two x: where the leaf of that bit is kept.
DE_BRUIJN = 0x077CB531
EVERY_LEAF = 0xFFFFFFFF
SLOT_SHIFT = 27

# What a split does with a value that is missing, as in bits 2 and 3 of LightGBM's decision_type; 2 leaves NaN as it is.
NAN_IS_ZERO, ZERO_IS_NAN = 0, 1
