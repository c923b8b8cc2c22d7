"""What lies below a folder."""

import os

import pytest

from cursus_sandbox.leaves import leaves


@pytest.fixture
def folder(tmp_path):
    """A folder with files, an empty folder, and beside it another one."""
    for name in ("folder/b.txt", "folder/a/z.txt", "folder/a/.git/x", "folder/c/c/c.txt", "beside/x.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder/empty").mkdir()
    return tmp_path / "folder"


def names(*given, **settings):
    return [name for name, _ in leaves(*given, **settings)]


def test_order(folder):
    """A folder's own files come first, in order, then its folders; an empty one ends in a slash and has no entry."""
    assert names(folder) == ["b.txt", "a/z.txt", "a/.git/x", "c/c/c.txt", "empty/"]
    assert [name for name, entry in leaves(folder) if entry is None] == ["empty/"]


def test_what_does_not_count(folder):
    """Names and a folder may be left out; what holds nothing else is an empty folder then."""
    (folder.parent / "linked").symlink_to(folder / "c/c")
    assert names(folder, leave_out=[".git"], but_not=folder.parent / "linked") == ["b.txt", "a/z.txt", "c/", "empty/"]


def test_links(folder):
    """Links are told as they are; with `follow` those to folders are gone through, also where they lead outside."""
    (folder / "a/out").symlink_to("../../beside")
    (folder / "a/file").symlink_to("../b.txt")
    (folder / "a/nowhere").symlink_to("nothing")
    (folder / "a/itself").symlink_to("itself")
    links = ["a/file", "a/itself", "a/nowhere"]
    assert [name for name in names(folder) if name.startswith("a/") and "." not in name] == [*links, "a/out"]
    followed = dict(leaves(folder, follow=True))
    assert [name for name in followed if name.startswith("a/") and "." not in name] == links
    assert os.path.realpath(followed["a/out/x.txt"].path) == str(folder.parent / "beside/x.txt")
    assert names(folder / "a", follow=True, but_not=folder.parent / "beside") == [
        *("file", "itself", "nowhere", "z.txt", ".git/x")
    ]


@pytest.mark.parametrize(
    "links",
    [{"folder/a/up": ".."}, {"folder/a/top": "../.."}, {"folder/a/out": "../../beside", "beside/in": "../folder"}],
)
def test_links_in_a_circle(folder, links):
    """A link to what it lies in isn't gone through, on whatever way that was reached."""
    plain = names(folder)
    for name, target in links.items():
        (folder.parent / name).symlink_to(target)
    assert [name for name in names(folder, follow=True) if not name.startswith("a/out/")] == plain
