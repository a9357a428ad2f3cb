"""Contents, not names, make a digest."""

from limner.data.digests import digest, digest_text


def test_contents_count_and_names_do_not(tmp_path):
    for name, content in {"a": b"one", "b": b"one", "c": b"two"}.items():
        (tmp_path / name).write_bytes(content)
    a, b, c = (str(tmp_path / name) for name in "abc")
    assert digest([a]) == digest([b])
    assert digest([a]) != digest([c])
    assert digest([a, c]) != digest([c, a])
    assert digest([a, ""]) == digest([a])
    assert len(digest([a])) == 32


def test_pages_of_one_file_differ(tmp_path):
    (tmp_path / "stack.tif").write_bytes(b"pages")
    assert digest([f"{tmp_path}/stack.tif#page=0"]) != digest([f"{tmp_path}/stack.tif#page=1"])


def test_a_folder_of_masks_counts_with_its_files(tmp_path):
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "1.png").write_bytes(b"one")
    before = digest([f"{tmp_path}/m/"])
    (tmp_path / "m" / "2.png").write_bytes(b"two")
    assert digest([f"{tmp_path}/m/"]) != before


def test_texts():
    assert digest_text("a") != digest_text("b")
