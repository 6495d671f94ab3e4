"""What a rule is true or false by: JSON's own words in a body, text in a query, a number in neither."""

import pytest
from pydantic import ValidationError

from serving_api.rule_fields import Ruled, RuledQuery


@pytest.mark.parametrize("number", [0, 0.0, 1, 1.0])
@pytest.mark.parametrize("model", [Ruled, RuledQuery])
def test_a_number_is_neither_true_nor_false(model: type[Ruled], number: float) -> None:
    with pytest.raises(ValidationError, match="valid boolean"):
        model.model_validate({"include_explicit": number})


def test_text_is_true_or_false_in_a_query_alone() -> None:
    for written, meant in {"true": True, "False": False, "1": True, "0": False}.items():
        assert RuledQuery.model_validate({"exclude_explicit": written}).exclude_explicit is meant
        with pytest.raises(ValidationError, match="valid boolean"):
            Ruled.model_validate({"exclude_explicit": written})
    with pytest.raises(ValidationError, match="valid boolean"):
        RuledQuery.model_validate({"exclude_explicit": "maybe"})
