{#
  Names as they are compared: docs/adr/0030-one-track-from-several-names.md says what is one name and what is not. What is shown
  stays as the source spells it.
#}
{% macro compared_name(name) -%}
    btrim(regexp_replace(
        replace(replace(lower(regexp_replace(
            normalize({{ plain_punctuation(name) }}, nfkc),
            -- Characters without a shape of their own: soft hyphens, joiners, marks of direction, variation selectors.
            '[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]',
            '',
            'g'
        )), 'ß', 'ss'), 'ς', 'σ'),
        '\s+',
        ' ',
        'g'
    ))
{%- endmacro %}

{# Before Unicode's own folding, which makes of an acute accent that stands for an apostrophe a space with an accent. #}
{% macro plain_punctuation(name) -%}
    translate(
        {{ name }},
        '‘’‚‛′´`ʼʻ“”„‟″‐‑‒–—―−∕⁄⧸',
        '''''''''''''''''''"""""-------///'
    )
{%- endmacro %}

{#
  A compared name without its guests, "(feat. …)" or "ft. …" at its end; the name itself where nothing else is left. The
  first pattern takes what stands in brackets, the second what is left of the name from the word on.
#}
{% macro without_guests(name) -%}
    coalesce(
        nullif(
            btrim(regexp_replace(
                regexp_replace({{ name }}, '\s*[(\[]\s*(feat\.?|ft\.|featuring)\s[^)\]]*[)\]]', '', 'g'),
                '\s(-\s)?(feat\.?|ft\.|featuring)\s.*$',
                ''
            )),
            ''
        ),
        {{ name }}
    )
{%- endmacro %}

{# Which ids a track or artist goes by: mbid, a source's, or name where only its names are known. #}
{% macro kind_of_id(natural_key) -%}
    split_part({{ natural_key }}, ':', 1)
{%- endmacro %}

{# A compared title without what says which edition it is, "(2011 Remaster)" or "- Mono" at its end: asked of one code only. #}
{% macro without_edition(title) -%}
    regexp_replace(
        {{ title }},
        '\s*([(\[]|\s-\s)[^()\[\]]*\y(re-?master(ed)?|mono|stereo|(album|single|original) version|explicit|clean|bonus track)\y[^()\[\]]*[)\]]?$',
        ''
    )
{%- endmacro %}

{# The first of the artists in a compared credit, "band & choir" or "band, choir": asked of one code only. #}
{% macro first_credit(name) -%}
    regexp_replace({{ name }}, '\s*(,|;|/|&|\+|\s(and|with|x|vs\.?|feat\.?|ft\.?)\s).*$', '')
{%- endmacro %}
