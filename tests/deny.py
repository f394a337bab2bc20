"""The part of cargo-deny that the tests need, where cargo-deny is not installed.

Reads deny.toml and `cargo metadata`: every licence expression must have an allowed choice, no
banned crate may be in the lock, and every crate comes from an allowed registry. It judges what a
crate declares; cargo-deny also reads licence texts.
"""

import json
import operator
import re
import subprocess
import sys
import tomllib
from collections import defaultdict


def tokens(expression):
    # "MIT/Apache-2.0" is how crates said OR before SPDX expressions.
    return re.findall(r"\(|\)|[A-Za-z0-9.+-]+", expression.replace("/", " OR "))


def permitted(expression, allowed):
    """Whether an SPDX expression has a choice in which every licence is allowed."""
    rest = tokens(expression)

    def alternatives():
        value = conjunction()
        while rest and rest[0] == "OR":
            rest.pop(0)
            value = conjunction() or value
        return value

    def conjunction():
        value = term()
        while rest and rest[0] == "AND":
            rest.pop(0)
            value = term() and value
        return value

    def term():
        if not rest:
            raise ValueError(f"{expression!r} ends too early")
        token = rest.pop(0)
        if token == "(":
            value = alternatives()
            if not rest or rest.pop(0) != ")":
                raise ValueError(f"{expression!r} misses a parenthesis")
            return value
        if token in (")", "AND", "OR", "WITH"):
            raise ValueError(f"{expression!r} has a stray {token!r}")
        if rest and rest[0] == "WITH":
            rest.pop(0)
            token = f"{token} WITH {rest.pop(0)}"
        return token in allowed

    value = alternatives()
    if rest:
        raise ValueError(f"{expression!r} goes on after its end: {' '.join(rest)}")
    return value


COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "=": operator.eq}


def matches(version, wanted):
    """Whether a version satisfies e.g. "<0.37" or "=1.2.3"."""
    found = re.fullmatch(r"(<=|>=|<|>|=)?\s*(\d+(?:\.\d+){0,2})", wanted)
    if not found:
        raise ValueError(f"deny.py does not understand the version range {wanted!r}")
    parts = lambda text: ([int(n) for n in text.split(".")] + [0, 0])[:3]
    plain = re.split(r"[-+]", version)[0]
    return COMPARE[found[1] or "="](parts(plain), parts(found[2]))


def banned(rule, versions):
    """Complaints about one entry of bans.deny."""
    name, _, wanted = rule["crate"].partition("@")
    found = sorted(versions.get(name, ()))
    if rule.get("deny-multiple-versions"):
        if len(found) > 1:
            yield f"{name} is in the lock in several versions: {', '.join(found)}"
        return
    for version in found:
        if not wanted or matches(version, wanted):
            why = rule.get("reason", "")
            yield f"{name} {version} is banned{f': {why}' if why else ''}"


def complaints(rules, packages):
    allowed = set(rules["licenses"]["allow"])
    excepted = {rule["crate"]: set(rule["allow"]) for rule in rules["licenses"].get("exceptions", ())}
    registries = {f"registry+{url}" for url in rules["sources"]["allow-registry"]}
    versions = defaultdict(set)
    for package in packages:
        name = f"{package['name']} {package['version']}"
        versions[package["name"]].add(package["version"])
        licence = package.get("license")
        if not licence:
            yield f"{name} declares no licence"
        elif not permitted(licence, allowed | excepted.get(package["name"], set())):
            yield f"{name} is under {licence!r}, of which no choice is allowed"
        # Our own crates have no source.
        if package["source"] is not None and package["source"] not in registries:
            yield f"{name} comes from {package['source']}"
    for rule in rules["bans"]["deny"]:
        yield from banned(rule, versions)


def main():
    with open("deny.toml", "rb") as file:
        rules = tomllib.load(file)
    # Its progress and errors go to standard error as they are.
    answer = subprocess.run(
        ["cargo", "metadata", "--format-version", "1", "--locked", "--all-features"],
        stdout=subprocess.PIPE,
    )
    if answer.returncode != 0:
        sys.exit("deny: cargo metadata failed")
    packages = json.loads(answer.stdout)["packages"]
    found = list(complaints(rules, packages))
    for complaint in found:
        print(f"deny: {complaint}", file=sys.stderr)
    if found:
        sys.exit(1)
    print(f"deny: {len(packages)} packages: licences, bans and sources are as deny.toml asks")


if __name__ == "__main__":
    main()
