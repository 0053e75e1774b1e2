"""Names: both sides of each rule."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigzip import NameRefused
from bigzip.plan.names import MAX_NAME_LENGTH, NamePolicy, checked_name, folded, numbered

PORTABLE, AS_IS = NamePolicy.PORTABLE, NamePolicy.AS_IS


@pytest.mark.parametrize("policy", NamePolicy)
@pytest.mark.parametrize(
    "name",
    [
        "a",
        "a/b/c.txt",
        ".hidden",
        "..a",
        "a..b/c",
        "-rf",
        "~",
        "$(x)",
        "a b",
        "caf\u00e9",
        "cafe\u0301",
        "\U0001f4e6",
        "\u00a0",
        "a\u202eb",
        "a%2e%2e",
        "x" * MAX_NAME_LENGTH,
        "\U0001f4e6" * (MAX_NAME_LENGTH // 4),
    ],
)
def test_name_is_taken(name: str, policy: NamePolicy) -> None:
    assert checked_name(name, policy) == name


@pytest.mark.parametrize("policy", NamePolicy)
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "is empty"),
        ("/", "is an absolute path"),
        ("/a", "is an absolute path"),
        ("//server/share", "is an absolute path"),
        ("C:", "Windows drive"),
        ("c:a", "Windows drive"),
        ("a:b", "Windows drive"),
        ("C:/a", "Windows drive"),
        (".", "component"),
        ("..", "component"),
        ("./a", "component"),
        ("a/.", "component"),
        ("../a", "component"),
        ("a/../b", "component"),
        ("a/..", "component"),
        ("a//b", "component"),
        ("a/", "component"),
        ("a\\b", "backslash"),
        ("..\\a", "backslash"),
        ("\\\\server\\share", "backslash"),
        ("a\0", "control character"),
        ("a\tb", "control character"),
        ("a\nb", "control character"),
        ("a\x1b[31m", "control character"),
        ("a\x7f", "control character"),
        ("a\x85b", "control character"),
        ("a\x9f", "control character"),
        ("a\u2028b", "control character"),
        ("a\u2029b", "control character"),
        ("x" * (MAX_NAME_LENGTH + 1), "over 65,534 bytes"),
        ("\u00e9" * (MAX_NAME_LENGTH // 2 + 1), "over 65,534 bytes"),
    ],
)
def test_name_is_refused(name: str, reason: str, policy: NamePolicy) -> None:
    with pytest.raises(NameRefused, match=reason):
        checked_name(name, policy)


@pytest.mark.parametrize(
    ("name", "portable"),
    [
        ("a?b", "a_b"),
        ("ab:c", "ab_c"),
        ("ab:", "ab_"),
        ('<>:"|?*', "_______"),
        ("trailing.", "trailing_"),
        ("a..", "a._"),
        ("trailing ", "trailing_"),
        ("dir./file", "dir_/file"),
        ("dir /file", "dir_/file"),
        ("...", ".._"),
        (". .", ". _"),
        ("a/...", "a/.._"),
        (" leading", " leading"),
        ("con", "con_"),
        ("CON", "CON_"),
        ("con.txt", "con_.txt"),
        ("con.tar.gz", "con_.tar.gz"),
        ("a/nul", "a/nul_"),
        ("aux/b", "aux_/b"),
        ("prn/con/nul", "prn_/con_/nul_"),
        ("con .txt", "con_ .txt"),
        ("con ", "con_"),
        ("con.", "con_"),
        ("com1", "com1_"),
        ("lpt9.log", "lpt9_.log"),
        ("com\u00b9", "com\u00b9_"),
        ("CONIN$", "CONIN$_"),
        ("conout$.txt", "conout$_.txt"),
        ("console", "console"),
        ("con_", "con_"),
        ("com", "com"),
        ("com10", "com10"),
        ("xcon", "xcon"),
        ("a.con", "a.con"),
        ("caf\udce9", "caf_"),
        ("\ud800", "_"),
    ],
)
def test_portable_name_is_one_that_windows_can_create(name: str, portable: str) -> None:
    assert checked_name(name, PORTABLE) == portable


@pytest.mark.parametrize("name", ["ab:c", '<>:"|?*', "trailing.", "trailing ", "...", "con", "a/nul.txt"])
def test_as_is_keeps_what_windows_cannot_create(name: str) -> None:
    assert checked_name(name, AS_IS) == name


@pytest.mark.parametrize("name", ["caf\udce9", "\ud800", "x" * 70_000 + "\ud800"])
def test_as_is_refuses_what_is_not_utf_8(name: str) -> None:
    with pytest.raises(NameRefused, match="not UTF-8"):
        checked_name(name, AS_IS)


def test_a_name_that_grows_over_the_limit_is_refused() -> None:
    name = "con/" + "x" * (MAX_NAME_LENGTH - 4)
    assert checked_name(name, AS_IS) == name
    with pytest.raises(NameRefused, match="over 65,534 bytes"):
        checked_name(name, PORTABLE)


@given(st.text(st.one_of(st.characters(), st.sampled_from("/\\.: \0"))), st.sampled_from(NamePolicy))
def test_a_checked_name_stays_as_it_is_and_leads_nowhere(name: str, policy: NamePolicy) -> None:
    try:
        checked = checked_name(name, policy)
    except NameRefused:
        return
    assert checked_name(checked, policy) == checked
    checked.encode("utf-8")
    assert not checked.startswith("/")
    assert not {"", ".", ".."} & set(checked.split("/"))
    assert not any(unicodedata.category(c) == "Cc" or c == "\\" for c in checked)
    if policy is PORTABLE:
        assert not set(checked) & set('<>:"|?*')
        assert not any(component.endswith((".", " ")) for component in checked.split("/"))


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("a", "A"),
        ("readme.TXT", "README.txt"),
        ("caf\u00e9", "cafe\u0301"),
        ("CAF\u00c9", "cafe\u0301"),
        ("stra\u00dfe", "STRASSE"),
        ("\u212a", "k"),  # the Kelvin sign
        ("\u1e9b\u0323", "\u1e69"),
        ("\u03a3", "\u03c2"),  # capital and final sigma
    ],
)
def test_folded_is_equal_for_what_some_system_takes_for_one(name: str, other: str) -> None:
    assert folded(name) == folded(other)


@pytest.mark.parametrize(("name", "other"), [("a", "b"), ("a", "\u00e4"), ("a/b", "a_b"), ("a", "a ")])
def test_folded_differs_for_other_names(name: str, other: str) -> None:
    assert folded(name) != folded(other)


@given(st.text())
def test_folded_is_blind_to_composition_and_case(name: str) -> None:
    assert folded(unicodedata.normalize("NFD", name)) == folded(unicodedata.normalize("NFC", name)) == folded(name)
    assert folded(name.casefold()) == folded(name)


@pytest.mark.parametrize(
    ("name", "numbered_name"),
    [
        ("a", "a (2)"),
        ("a.txt", "a (2).txt"),
        ("dir.d/a", "dir.d/a (2)"),
        ("dir/b.tar.gz", "dir/b.tar (2).gz"),
        (".hidden", ".hidden (2)"),
        ("dir/.hidden", "dir/.hidden (2)"),
        ("a.", "a (2)."),
    ],
)
def test_numbered_puts_the_number_before_the_extension(name: str, numbered_name: str) -> None:
    assert numbered(name, 2) == numbered_name
