#!/usr/bin/env python3
"""Verifies a log of Countersign. Written from src/audit/FORMAT.md and the documents that it names, with nothing of the
product's code and nothing but Python's standard library.

usage: verify_log.py DIR    with checkpoint, tile/..., trust, and perhaps bodies.ndjson, checkpoint.*, *.tlog-proof
Prints what it has verified and ends with 0, or prints the first thing that is wrong and ends with 1.
"""
import base64, glob, hashlib, hmac, json, os, re, sys


class Wrong(Exception):
    pass


def need(condition, why):
    if not condition:
        raise Wrong(why)


def sha256(data):
    return hashlib.sha256(data).digest()


def b64(text):
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, "base64 that is not the standard one")
    return data


# Ed25519, RFC 8032 section 5.1.7, in affine coordinates: slow, short, and for public data only.
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
BY = 4 * pow(5, -1, P) % P


def decode_point(data):
    y = int.from_bytes(data, "little") & (1 << 255) - 1
    sign = data[31] >> 7
    need(y < P, "a point that is none")
    x2 = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    need((x * x - x2) % P == 0 and not (x == 0 and sign), "a point that is none")
    return (P - x if x & 1 != sign else x, y)


def add(a, b):
    k = D * a[0] * b[0] * a[1] * b[1] % P
    x = (a[0] * b[1] + b[0] * a[1]) * pow(1 + k, -1, P)
    y = (a[1] * b[1] + a[0] * b[0]) * pow(1 - k, -1, P)
    return (x % P, y % P)


def times(n, point):
    result = (0, 1)
    while n:
        if n & 1:
            result = add(result, point)
        point, n = add(point, point), n >> 1
    return result


BASE = decode_point(BY.to_bytes(32, "little"))


def ed25519(key, message, signature):
    if len(signature) != 64:
        return False
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L
    return s < L and times(s, BASE) == add(decode_point(r), times(k, decode_point(key)))


# RFC 6962: hashes, roots and audit paths.
def leaf_hash(leaf):
    return sha256(b"\0" + leaf)


def root_of(hashes):
    if not hashes:
        return sha256(b"")
    row = list(hashes)
    while len(row) > 1:
        pairs = [sha256(b"\1" + row[i] + row[i + 1]) for i in range(0, len(row) - 1, 2)]
        row = pairs + ([row[-1]] if len(row) % 2 else [])
    return row[0]


def included(leaf, index, size, path):
    """RFC 9162 section 2.1.3.2: the root that the path leads to."""
    need(index < size, "an index beyond the tree")
    fn, sn, r = index, size - 1, leaf
    for p in path:
        need(sn, "a path that is too long")
        if fn & 1 or fn == sn:
            r = sha256(b"\1" + p + r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha256(b"\1" + r + p)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0, "a path that is too short")
    return r


# RFC 8785.
def number(value):
    if isinstance(value, int):
        value = float(value)
    if value == 0:
        return "0"
    digits, exponent = ("%r" % abs(value)), 0
    if "e" in digits:
        digits, exponent = digits.split("e")[0], int(digits.split("e")[1])
    whole, _, part = digits.partition(".")
    part = "" if part == "0" else part
    point = len(whole) + exponent
    digits = (whole + part).lstrip("0")
    point -= len(whole + part) - len(digits)
    digits = digits.rstrip("0")
    sign = "-" if value < 0 else ""
    if len(digits) <= point <= 21:
        return sign + digits.ljust(point, "0")
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    rest = "." + digits[1:] if len(digits) > 1 else ""
    return "%s%s%se%+d" % (sign, digits[0], rest, point - 1)


def string(text):
    short = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}
    return '"%s"' % "".join(
        short.get(ord(c)) or ("\\u%04x" % ord(c) if ord(c) < 32 else c) for c in text
    )


def canonical(value):
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, str):
        return string(value)
    if isinstance(value, list):
        return "[%s]" % ",".join(map(canonical, value))
    keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
    return "{%s}" % ",".join(string(key) + ":" + canonical(value[key]) for key in keys)


# C2SP: signed-note, tlog-checkpoint, tlog-cosignature; of tlog-policy what one log and one witness need.
def trust_of(text):
    lines = [line.split() for line in text.splitlines()]
    log = next(words[1] for words in lines if words[:1] == ["log"])
    witnesses = {words[1]: words[2] for words in lines if words[:1] == ["witness"]}
    quorum = next(words[1] for words in lines if words[:1] == ["quorum"])
    need(quorum == "none" or quorum in witnesses, "a quorum that this verifier does not know")
    return log, witnesses.get(quorum)


def signed_by(vkey, text, lines):
    name, key_id, key = re.fullmatch(r"(.+)\+([0-9a-f]{8})\+(.+)", vkey).groups()
    key = b64(key)
    need(sha256(name.encode() + b"\n" + key)[:4].hex() == key_id, "a key with another's id")
    for line in lines:
        dash, signer, signature = line.split(" ")
        need(dash == "\u2014", "a line that is no signature")
        signature = b64(signature)
        if signer != name or signature[:4].hex() != key_id:
            continue
        message, signature = text.encode(), signature[4:]
        if key[0] == 4:
            time = int.from_bytes(signature[:8], "big")
            message, signature = b"cosignature/v1\ntime %d\n" % time + message, signature[8:]
        return ed25519(key[1:], message, signature)
    return False


def checkpoint(note, trust):
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    log, witness = trust
    origin, size, root = text.split("\n")[:3]
    need(origin == log.split("+")[0], "the checkpoint is another log's")
    need(signed_by(log, text, signatures.splitlines()), "the log has not signed the checkpoint")
    if witness:
        need(signed_by(witness, text, signatures.splitlines()), "the witness has not cosigned it")
    return int(size), b64(root)


# Ours: leaf, chain, body.
LEAF = ["commit", "id", "kind", "prev", "seq", "time", "v", "writer"]
BODY = "agent body epoch person request session statement target verdict".split()


def leaf_of(data, place):
    leaf = json.loads(data)
    need(sorted(leaf) == LEAF and leaf["v"] == 1, place + ": not a leaf of version 1")
    need(canonical(leaf).encode() == data, place + ": the leaf is not canonical")
    return leaf


def check_body(leaf, body, salt, place):
    commit = hmac.new(b64(salt)[:32], body.encode(), hashlib.sha256).digest()
    need(commit == b64(leaf["commit"]), place + ": the body is not what the leaf commits to")
    parsed = json.loads(body)
    need(set(parsed) <= set(BODY) and {"body", "epoch"} <= set(parsed), place + ": a strange body")
    need(canonical(parsed) == body, place + ": the body is not canonical")
    return parsed["body"]


def read(folder, *names):
    for name in names:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            with open(path, "rb") as file:
                return file.read()
    raise Wrong(names[0] + " is missing")


def tile(folder, level, index, width):
    groups = ["%03d" % (index % 1000)]
    while index := index // 1000:
        groups.insert(0, "x%03d" % (index % 1000))
    name = "tile/%s/%s" % (level, "/".join(groups))
    return read(folder, *([name] if width == 256 else [name + ".p/%d" % width, name]))


def entries_of(folder, size):
    entries = []
    for index in range((size + 255) // 256):
        width = min(256, size - index * 256)
        bundle, at = tile(folder, "entries", index, width), 0
        for _ in range(width):
            length = int.from_bytes(bundle[at : at + 2], "big")
            entries.append(bundle[at + 2 : at + 2 + length])
            at += 2 + length
        need(at <= len(bundle), "entries are cut off")
    return entries


def check_tiles(folder, hashes):
    level, row = 0, hashes
    while row:
        for index in range((len(row) + 255) // 256):
            part = row[index * 256 : (index + 1) * 256]
            found = tile(folder, level, index, len(part))
            need(found[: len(part) * 32] == b"".join(part), "tile %d/%d differs" % (level, index))
        level, row = level + 1, [root_of(row[i : i + 256]) for i in range(0, len(row) - 255, 256)]


def check_chains(leaves, entries):
    chains = {}
    for index, (leaf, entry) in enumerate(zip(leaves, entries)):
        seq, last = chains.get(leaf["writer"], (0, b""))
        place = "entry %d, record %s of %s" % (index, leaf["seq"], leaf["writer"])
        need(leaf["seq"] == seq + 1, place + ": %d comes next" % (seq + 1))
        need(b64(leaf["prev"]) == last, place + ": it does not follow the one before it")
        chains[leaf["writer"]] = (leaf["seq"], leaf_hash(entry))
    return chains


def check_bodies(folder, leaves, entries):
    hashes = {(leaf["writer"], leaf["seq"]): leaf_hash(e) for leaf, e in zip(leaves, entries)}
    by_id = {leaf["id"]: leaf for leaf in leaves}
    erased = 0
    for line in read(folder, "bodies.ndjson").decode().splitlines():
        row = json.loads(line)
        place = "record %s of %s" % (row["seq"], row["writer"])
        leaf = by_id.pop(row["id"], None)
        need(leaf, place + ": a body without a record")
        need((leaf["writer"], leaf["seq"]) == (row["writer"], row["seq"]), place + ": another place")
        need((row["salt"] is None) == (row["body"] is None), place + ": half erased")
        if row["body"] is None:
            erased += 1
            continue
        body = check_body(leaf, row["body"], row["salt"], place)
        for head in body.get("heads", []) if leaf["kind"] == "recovery" else []:
            there = hashes.get((head["writer"], head["seq"]))
            need(there and there.hex() == head["hash"], place + ": it saw a record that is gone")
    need(not by_id, "%d records without a body" % len(by_id))
    return erased


def check_proof(text, trust):
    head, _, note = text.partition("\n\n")
    lines = head.split("\n")
    need(lines.pop(0) == "c2sp.org/tlog-proof@v1", "not a proof")
    extra = json.loads(b64(lines.pop(0).removeprefix("extra ")))
    index = int(lines.pop(0).removeprefix("index "))
    size, root = checkpoint(note, trust)
    entry = extra["leaf"].encode()
    leaf = leaf_of(entry, "the proof")
    path = [b64(line) for line in lines]
    need(included(leaf_hash(entry), index, size, path) == root, "the record is not in the tree")
    if "body" in extra:
        check_body(leaf, extra["body"], extra["salt"], "the proof")
    return index


def verify(folder):
    trust = trust_of(read(folder, "trust").decode())
    size, root = checkpoint(read(folder, "checkpoint").decode(), trust)
    entries = entries_of(folder, size)
    hashes = [leaf_hash(entry) for entry in entries]
    need(root_of(hashes) == root, "the entries do not make the root that was signed")
    check_tiles(folder, hashes)
    leaves = [leaf_of(entry, "entry %d" % index) for index, entry in enumerate(entries)]
    chains = check_chains(leaves, entries)
    print("%d records of %d writers under %s" % (size, len(chains), trust[0].split("+")[0]))
    for path in sorted(glob.glob(os.path.join(folder, "checkpoint.*"))):
        before, old = checkpoint(read(folder, os.path.basename(path)).decode(), trust)
        need(root_of(hashes[:before]) == old, "the first %d are not those that were signed" % before)
        print("the first %d are those that were signed before" % before)
    if os.path.exists(os.path.join(folder, "bodies.ndjson")):
        print("bodies hold, %d erased" % check_bodies(folder, leaves, entries))
    for path in sorted(glob.glob(os.path.join(folder, "*.tlog-proof"))):
        print("the proof of entry %d holds" % check_proof(read(folder, os.path.basename(path)).decode(), trust))


if __name__ == "__main__":
    try:
        verify(sys.argv[1])
    except (Wrong, ValueError, KeyError) as error:
        sys.exit("wrong: %s" % error)
