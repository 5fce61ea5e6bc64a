import pytest
from shared.log import mask_phones


@pytest.mark.parametrize("phone", ["+16175550123", "16175550123", "6175550123"])
def test_phone_numbers_are_masked_but_for_their_end(phone: str) -> None:
    masked = mask_phones(f"sending to {phone} now")
    assert phone not in masked
    assert masked.endswith("23 now")


@pytest.mark.parametrize("text", ["2026-11-24T10:00:00.000Z", "seq=12345", "0193a1b2-7c4d-7e8f-9a0b-1c2d3e4f5a6b"])
def test_what_is_no_phone_stays(text: str) -> None:
    assert mask_phones(text) == text
