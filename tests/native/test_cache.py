"""Object code on disk: found by another process, and trusted only where nobody else can write."""

import os
import subprocess
import sys

import numpy as np
import pytest

import wengert as wg
from wengert.backends.llvm import cache, compile_program, engine

PROGRAM = """
import numpy as np
import wengert as wg
from wengert.backends.llvm import cache, compile_program

def function(x, y):
    total = wg.fori_loop(0, 50, lambda i, c: c * 0.5 + np.sin(c), y)
    return np.linalg.inv(x) @ x + total + np.exp(x), total + NUMBER

program = wg.trace(function)(np.eye(3), 1.5)
found = compile_program(program)(np.eye(3) * 2.0, 1.5)
expected = program.evaluate(np.eye(3) * 2.0, 1.5)
for one, other in zip(found, expected):
    np.testing.assert_allclose(one, other, rtol=1e-12)
print(cache.statistics["compiled"], cache.statistics["read"], cache.statistics["written"])
"""


def run(directory, number=1.0):
    environment = {**os.environ, "WENGERT_CACHE_DIR": str(directory)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("NUMBER", repr(number))],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(word) for word in done.stdout.split()]


@pytest.fixture
def directory(tmp_path):
    made = tmp_path / "cache"
    made.mkdir(mode=0o700)
    return made


def test_a_second_process_loads_what_the_first_compiled(directory):
    _, read, written = run(directory)
    assert read == 0
    assert written >= 2
    compiled, again, rewritten = run(directory)
    assert again == written
    assert rewritten == 0
    assert compiled <= 1  # short straight-line code is not kept
    assert all(entry.stat().st_mode & 0o777 == 0o600 for entry in directory.iterdir())


def test_damaged_entries_are_not_used(directory):
    _, _, written = run(directory)
    for entry in directory.iterdir():
        data = bytearray(entry.read_bytes())
        data[-1] ^= 1
        entry.write_bytes(bytes(data))
    assert run(directory)[1:] == [0, written]
    for entry in directory.iterdir():
        entry.write_bytes(entry.read_bytes()[:40])
    assert run(directory)[1:] == [0, written]


LONG = "define double @f(double %x) {\n" + "; a comment\n" * 3000 + "ret double %x\n}\n"


def entries(directory):
    return sorted(entry.name for entry in directory.iterdir())


def test_only_private_directories(directory, tmp_path):
    with wg.config(cache_dir=str(directory)):
        cache.object_code(LONG, 0)
        assert len(entries(directory)) == 1
    for mode in (0o770, 0o707, 0o755):
        directory.chmod(mode)
        with wg.config(cache_dir=str(directory)):
            cache.object_code(LONG + f"; {mode}\n", 0)
        assert len(entries(directory)) == 1
    directory.chmod(0o700)
    link = tmp_path / "link"
    link.symlink_to(directory)
    with wg.config(cache_dir=str(link)):
        cache.object_code(LONG + "; through a link\n", 0)
    file = tmp_path / "file"
    file.write_text("")
    with wg.config(cache_dir=str(file)):
        cache.object_code(LONG + "; a file\n", 0)
    with wg.config(cache_dir="off"):
        cache.object_code(LONG + "; off\n", 0)
    assert len(entries(directory)) == 1


def test_symbolic_links_are_not_followed(directory, tmp_path):
    with wg.config(cache_dir=str(directory)):
        code = cache.object_code(LONG, 0)
        (name,) = entries(directory)
        elsewhere = tmp_path / "elsewhere"
        (directory / name).rename(elsewhere)
        (directory / name).symlink_to(elsewhere)
        before = cache.statistics["read"]
        assert cache.object_code(LONG, 0) == code
        assert cache.statistics["read"] == before


def test_the_key_covers_what_code_depends_on(monkeypatch):
    key = cache._key(LONG, 0)
    assert cache._key(LONG + " ", 0) != key
    assert cache._key(LONG, 3) != key
    host = engine.host()
    for name in ("cpu", "features", "triple", "llvmlite"):
        with monkeypatch.context() as patch:
            patch.setattr(host, name, "another")
            assert cache._key(LONG, 0) != key
    for name in ("TARGET", "TUNING", "PASSES"):
        with monkeypatch.context() as patch:
            patch.setattr(engine, name, "otherwise")
            assert cache._key(LONG, 0) != key
    assert cache._key(LONG, 0) == key


def test_pruning_keeps_what_was_used_last(directory):
    for number in range(5):
        entry = directory / f"entry{number}"
        entry.write_bytes(b"x" * 100)
        os.utime(entry, (number, number))
    cache.prune(directory, 250)
    assert entries(directory) == ["entry3", "entry4"]


def test_code_holds_no_address():
    """The object code of two processes is the same: nothing in it depends on where things lie."""
    program = wg.trace(lambda x: np.linalg.inv(x) + np.exp(x))(np.eye(3))
    from wengert.backends.llvm.build import build

    addresses = [id(np.linalg.inv), id(program)]
    built = build(program)
    for module in built.modules:
        code = engine.assemble(module.text(), module.level)
        for address in (*addresses, *map(id, built.layout.objects)):
            assert address.to_bytes(8, "little") not in code


def test_text_forms():
    program = wg.trace(lambda x: x * 2.0 + np.sin(x))(1.0)
    native = compile_program(program)
    assert "fmul" in native.as_text("llvm")
    assert "program" in native.as_text("asm")
    with pytest.raises(ValueError, match="'llvm' or 'asm'"):
        native.as_text("wasm")
