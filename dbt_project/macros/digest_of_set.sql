{#
  Aggregate: 64 bits that are equal for equal sets of pairs of a bigint and an integer, whatever order they are read in. A pair must not
  come twice in a set.
#}
{% macro digest_of_set(number, key) -%}
    bit_xor(hashint8extended({{ number }}, {{ key }}))
{%- endmacro %}
