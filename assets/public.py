"""What anybody may be shown counts listeners, not plays, and never shows what fewer than a few of them share."""

# A list that depends on one or two people says little about anybody else, and too much about them to whoever reads it.
# In docs/contract.md and in the descriptions of the read API by the same number.
LEAST_LISTENERS = 3
