"""Lists of terms in little memory."""

from whisper_ft.data.packed_terms import PackedTerms


def test_terms_come_back_as_they_went_in():
    packed = PackedTerms()
    several = [("Kathryn Smyth", "東京"), (), ("X-41b",), ()]
    for terms in several:
        packed.append(terms)
    assert len(packed) == 4 and [packed[i] for i in range(4)] == several
