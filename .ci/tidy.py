#!/usr/bin/env python3
"""clang-tidy over the sources of a build, two at a time; a file that passed and has not changed
since, its headers included, is not looked at again.

usage: tidy.py BUILD [--jobs N] [--cache DIR] [FILE...]

BUILD is a build folder with everything built, for what each file includes is read from there. A
stamp in DIR for each file that passed is named for a hash of its command, of what it includes, and
of .clang-tidy. Exit code 1 where something was found.
"""
import argparse
import concurrent.futures
import hashlib
import json
import os
import pathlib
import shlex
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TIDY = "clang-tidy-16"
KEEP_DAYS = 30


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--cache", type=pathlib.Path, required=True)
    parser.add_argument("files", nargs="*", help="only these, relative to the checkout")
    return parser.parse_intermixed_args()


def sources(build, only):
    """{relative path: (folder, command)} of the checkout's own files, generated ones left out."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = pathlib.Path(entry["file"])
        if not path.is_relative_to(ROOT) or path.is_relative_to(build):
            continue
        name = str(path.relative_to(ROOT))
        if not only or name in only:
            found.setdefault(name, entry)
    return found


def object_of(entry):
    words = shlex.split(entry["command"])
    return words[words.index("-o") + 1]


def includes(build):
    """{object: [header]} as the compiler told ninja."""
    text = subprocess.run(["ninja", "-C", build, "-t", "deps"], check=True, capture_output=True,
                          text=True).stdout
    out, current = {}, None
    for line in text.splitlines():
        if line.startswith("    "):
            current.append(line[4:])
        elif ": #deps" in line:
            current = out.setdefault(line.split(": #deps", 1)[0], [])
            if not line.endswith("(VALID)"):
                out.pop(line.split(": #deps", 1)[0])
    return out


class Keys:
    """Names of stamps. Paths are taken relative, so that a fresh clone elsewhere finds them."""

    def __init__(self, build):
        self.build = build
        self.headers = includes(build)
        self.common = (subprocess.run([TIDY, "--version"], check=True, capture_output=True,
                                      text=True).stdout + (ROOT / ".clang-tidy").read_text())
        self.known = {}

    def relative(self, text):
        return text.replace(str(self.build), "BUILD").replace(str(ROOT), "ROOT")

    def of_file(self, name):
        if name not in self.known:
            path = pathlib.Path(os.path.normpath(self.build / name))
            own = path.is_relative_to(self.build) or (
                path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / ".deps"))
            # Other people's headers are told apart by size: their folders name their versions.
            self.known[name] = self.relative(str(path)) + " " + (
                hashlib.sha256(path.read_bytes()).hexdigest() if own
                else str(path.stat().st_size))
        return self.known[name]

    def of_source(self, entry):
        """None where it is not known what the file includes."""
        headers = self.headers.get(object_of(entry))
        if headers is None:
            return None
        parts = [self.common, self.relative(entry["command"])]
        parts += sorted(self.of_file(name) for name in [entry["file"], *headers])
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def foreign_arguments():
    """The commands are GCC's. Clang does not know all of its warnings, and Debian's has no omp.h;
    GCC's has an attribute with an argument that Clang does not know either."""
    folder = subprocess.run(["g++", "-print-file-name=include"], check=True, capture_output=True,
                            text=True).stdout.strip()
    return ["--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-idirafter" + folder,
            "--extra-arg=-D__malloc__(...)=__unused__"]


def tidy(build, name, extra):
    command = [TIDY, "-p", build, "--quiet", *extra, ROOT / name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    words = [line for line in done.stderr.splitlines() if "warnings generated" not in line
             and "treated as error" not in line]
    return done.returncode, (done.stdout + "\n".join(words)).strip()


def drop_old_stamps(cache):
    for stamp in cache.iterdir():
        if time.time() - stamp.stat().st_mtime > KEEP_DAYS * 86400:
            stamp.unlink()


def main():
    args = arguments()
    build = args.build.resolve()
    args.cache.mkdir(parents=True, exist_ok=True)
    found, keys, failed, todo = sources(build, args.files), Keys(build), [], []
    for name, entry in sorted(found.items()):
        key = keys.of_source(entry)
        if key and (args.cache / key).exists():
            (args.cache / key).touch()
        else:
            todo.append((name, key))
    print(f"tidy: {len(todo)} of {len(found)} files to look at", flush=True)
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        extra = foreign_arguments()
        running = {pool.submit(tidy, build, name, extra): (name, key) for name, key in todo}
        for future in concurrent.futures.as_completed(running):
            name, key = running[future]
            code, text = future.result()
            if code != 0:
                failed.append(name)
                print(text, flush=True)
            elif key:
                (args.cache / key).touch()
    drop_old_stamps(args.cache)
    if failed:
        print(f"tidy: {len(failed)} files with findings; again, for one of them:\n"
              f"  .ci/run tidy {failed[0]}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
