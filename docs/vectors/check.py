#!/usr/bin/env python3
"""A second indexer, in plain Python, that recomputes every vector beside it.

It is written from docs/protocol.md alone and knows nothing of the Rust code. It is as simple as can
be: it keeps lists and searches them from end to end.

    python3 docs/vectors/check.py
"""

import hashlib
import json
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
OP_RETURN = 0x6A
REVOKED = "00" * 20
TEXT = (HERE.parent / "protocol.md").read_text(encoding="utf-8")


def tagged_hash(tag, message):
    tag = hashlib.sha256(tag.encode()).digest()
    return hashlib.sha256(tag + tag + message).digest()


# Labels and records


def label_error(text, longest):
    """What is wrong with a label: a kind and an offset in bytes; None if nothing is."""
    at = 0
    before = "-"
    for character in text:
        if character == "-":
            if before == "-":
                return {"kind": "hyphen", "at": at}
        elif not re.fullmatch("[a-z0-9]", character):
            return {"kind": "character", "at": at}
        before = character
        at += len(character.encode())
    if text == "":
        return {"kind": "empty", "at": 0}
    if before == "-":
        return {"kind": "hyphen", "at": at - 1}
    if at > longest:
        return {"kind": "too-long", "at": longest}
    return None


def content(script):
    """[R1]: what an output pushes, if it can hold a record."""
    if len(script) >= 2 and script[0] == OP_RETURN:
        if 1 <= script[1] <= 75 and len(script) == 2 + script[1]:
            return script[2:]
        if script[1] == 0x4C and len(script) >= 3:
            if 76 <= script[2] <= 80 and len(script) == 3 + script[2]:
                return script[3:]
    return None


def parse(script):
    """[R2] to [R4]: the record of an output, or None."""
    text = content(script)
    if text is None:
        return None
    label = rb"[a-z0-9]+(?:-[a-z0-9]+)*"
    found = re.fullmatch(rb"@(%b)!([0-9a-f]{64})" % label, text)
    if found and len(found[1]) <= 14:
        service, commitment = (part.decode() for part in found.groups())
        return {"kind": "reserve", "service": service, "commitment": commitment}
    found = re.fullmatch(rb"@(%b)!(%b)!([0-9a-f]{40})" % (label, label), text)
    if found and len(found[1]) <= 14:
        service, name, key = (part.decode() for part in found.groups())
        return {"kind": "name", "service": service, "name": name, "key": key}
    return None


def commitment(service, name, key, owner_script):
    record = f"@{service}!{name}!{key}".encode()
    return tagged_hash("atname/reserve", record + owner_script).hex()


# Blocks on the wire


class Reader:
    """Takes bytes from the front, and fails where there are too few."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        taken = self.data[self.at : self.at + count]
        if len(taken) < count:
            raise ValueError("the bytes end too early")
        self.at += count
        return taken

    def number(self, length):
        return int.from_bytes(self.take(length), "little")

    def compact_size(self):
        """[N10]"""
        number = self.number(1)
        for first, length, least in (0xFD, 2, 0xFD), (0xFE, 4, 1 << 16), (0xFF, 8, 1 << 32):
            if number == first:
                number = self.number(length)
                if number < least:
                    raise ValueError("not the shortest form")
                break
        return number


def double_hash(data):
    """What SHA-256 of SHA-256 gives, in display order."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()[::-1].hex()


def read_transaction(reader):
    version = reader.take(4)
    witness = reader.data[reader.at : reader.at + 2] == bytes([0, 1])
    if witness:
        reader.take(2)
    start = reader.at
    inputs = []
    for _ in range(reader.compact_size()):
        txid = reader.take(32)[::-1].hex()
        inputs.append(f"{txid}:{reader.number(4)}")
        reader.take(reader.compact_size())
        reader.take(4)
    outputs = []
    for _ in range(reader.compact_size()):
        reader.take(8)
        outputs.append(reader.take(reader.compact_size()).hex())
    hashed = version + reader.data[start : reader.at]
    if witness:
        for _ in inputs:
            for _ in range(reader.compact_size()):
                reader.take(reader.compact_size())
    txid = double_hash(hashed + reader.take(4))
    return {"txid": txid, "inputs": inputs, "outputs": outputs}


def read_block(data):
    reader = Reader(data)
    header = reader.take(80)
    txs = [read_transaction(reader) for _ in range(reader.compact_size())]
    if reader.at < len(data):
        raise ValueError("bytes after the last transaction")
    return {"hash": double_hash(header), "parent": header[4:36][::-1].hex(), "txs": txs}


# The digest


def u32(number):
    return number.to_bytes(4, "little")


def label(text):
    return bytes([len(text)]) + text.encode()


def place(pair):
    return u32(pair[0]) + u32(pair[1])


def display_order(text):
    return bytes.fromhex(text)[::-1]


def outpoint(coin):
    txid, vout = coin.split(":")
    return display_order(txid) + u32(int(vout))


def effect_bytes(index, effect):
    kinds = ["updated", "dormant", "reserved", "opened", "claimed", "woken"]
    kind = effect["kind"]
    out = u32(index) + bytes([kinds.index(kind) + 1]) + label(effect["service"])
    if kind in ("reserved", "opened"):
        out += bytes.fromhex(effect["commitment"])
        return out + place(effect["reservation"]) if kind == "opened" else out
    out += label(effect["name"])
    if kind in ("updated", "claimed"):
        script = bytes.fromhex(effect["owner_script"])
        out += bytes.fromhex(effect["key"]) + u32(len(script)) + script
    if kind != "dormant":
        out += outpoint(effect["owner"])
    return out + place(effect["priority"]) if kind == "claimed" else out


def initial_bytes(params):
    numbers = u32(params["window"]) + u32(params["first_height"])
    return u32(1) + display_order(params["genesis"]) + numbers


def block_bytes(previous, block_hash, effects):
    listed = b"".join(effect_bytes(index, effect) for index, effect in effects)
    return bytes.fromhex(previous) + display_order(block_hash) + listed


def initial_digest(params):
    return tagged_hash("atname/registry", initial_bytes(params)).hex()


def block_digest(previous, block_hash, effects):
    return tagged_hash("atname/block", block_bytes(previous, block_hash, effects)).hex()


# The registry


class Registry:
    """The names and reservations of a chain that grows by whole blocks."""

    def __init__(self, params):
        self.window = params["window"]
        self.first = params["first_height"]
        self.digest = initial_digest(params)
        self.names = {}
        self.reservations = []

    def block(self, block):
        """The effects of each transaction of a block."""
        if block["height"] < self.first:
            return [[] for _ in block["txs"]]
        effects = [
            self.transaction((block["height"], index), tx)
            for index, tx in enumerate(block["txs"])
        ]
        flat = [(index, one) for index, tx in enumerate(effects) for one in tx]
        self.digest = block_digest(self.digest, block["hash"], flat)
        return effects

    def transaction(self, at, tx):
        if at[1] == 0:
            return []  # [R6]
        outputs = [(f"{tx['txid']}:{vout}", s) for vout, s in enumerate(tx["outputs"])]
        ownable = [(coin, script) for coin, script in outputs if script[:2] != "6a"]
        parsed = (parse(bytes.fromhex(script)) for script in tx["outputs"])
        record = next((r for r in parsed if r), None)
        named = None
        if record and record["kind"] == "name":
            named = record["service"], record["name"]
        effects = []
        updated = False
        for spent in tx["inputs"]:
            for name, held in self.names.items():
                if held["owner"] != spent:
                    continue
                effect = {"service": name[0], "name": name[1]}
                if name == named and ownable:
                    updated = True
                    coin, script = ownable[0]
                    new = {"key": record["key"], "owner_script": script, "owner": coin}
                    held.update(new)
                    effects.append({"kind": "updated", **effect, **new})
                else:
                    held["owner"] = None
                    effects.append({"kind": "dormant", **effect})
        if record and not named:
            fields = {key: record[key] for key in ("service", "commitment")}
            self.reservations.append({**fields, "at": at, "opened": None})
            effects.append({"kind": "reserved", **fields})
        elif named and not updated:
            effects += self.claim(at, record, named, ownable)
            effects += self.wake(record, named, ownable)
        return effects

    def claim(self, at, record, name, ownable):
        key, service = record["key"], record["service"]
        for coin, script in ownable:
            digits = commitment(*name, key, bytes.fromhex(script))
            live = [
                r
                for r in self.reservations
                if (r["service"], r["commitment"]) == (service, digits)
                and r["at"][0] < at[0] <= r["at"][0] + self.window
            ]
            if live:
                break
        else:
            return []
        effects = []
        for reservation in live:
            if reservation["opened"] is None:
                reservation["opened"] = at
                of = {"service": service, "commitment": digits}
                position = list(reservation["at"])
                effects.append({"kind": "opened", **of, "reservation": position})
        held = self.names.get(name)
        if held is None or live[0]["at"] < held["priority"]:
            new = {"key": key, "owner_script": script, "owner": coin}
            self.names[name] = {**new, "priority": live[0]["at"], "claim": at}
            effect = {"kind": "claimed", "service": service, "name": name[1]}
            effects.append({**effect, **new, "priority": list(live[0]["at"])})
        return effects

    def wake(self, record, name, ownable):
        held = self.names.get(name)
        if held is None or held["owner"] is not None or held["key"] != record["key"]:
            return []
        for coin, script in ownable:
            if script == held["owner_script"]:
                held["owner"] = coin
                return [{"kind": "woken", "service": name[0], "name": name[1], "owner": coin}]
        return []

    def is_final(self, name, judged):
        """[F1] to [F5], from what is known at the tip: openings carry their height."""
        held = self.names[name]
        if judged < self.first or held["claim"][0] > judged:
            return False
        return not any(
            r["service"] == name[0]
            and r["at"] < held["priority"]
            and judged < r["at"][0] + self.window
            and (r["opened"] is None or r["opened"][0] > judged)
            for r in self.reservations
        )

    def judge(self, judged):
        found = {"pending": [], "final": []}
        for name in sorted(self.names):
            state = "final" if self.is_final(name, judged) else "pending"
            found[state].append("@{}!{}".format(*name))
        return found

    def resolve(self, name, judged, pending_too):
        held = self.names.get(name)
        if held is None or held["key"] == REVOKED:
            return None
        return held["key"] if pending_too or self.is_final(name, judged) else None

    def rows(self, tip):
        return [
            {
                "service": name[0],
                "name": name[1],
                "key": held["key"],
                "revoked": held["key"] == REVOKED,
                "state": "final" if self.is_final(name, tip) else "pending",
                "priority": list(held["priority"]),
                "owner": held["owner"],
                "owner_script": held["owner_script"],
                "owner_state": "awake" if held["owner"] else "dormant",
            }
            for name, held in sorted(self.names.items())
        ]


# The files


PARAMS = {}


def check_params(vector):
    PARAMS[vector["network"]] = vector
    row = "| {network} | `{genesis}` | {window} | {first_height} | {usual_depth} |"
    yield "row of the table", row.format(**vector) in TEXT.splitlines(), True
    challenge = "".join(re.findall("^ {6}([0-9a-f]+)$", TEXT, re.MULTILINE))
    expected = challenge if vector["network"] == "signet" else None
    yield "challenge", vector.get("challenge"), expected


def check_size(vector):
    try:
        found = Reader(bytes.fromhex(vector["bytes"])).compact_size()
    except ValueError:
        found = None
    yield "number", found, vector["number"]


def check_label(vector):
    service = vector["service"]
    if "name" in vector:
        found = label_error(vector["name"], 37 - len(service))
    else:
        found = label_error(service, 14)
    yield "error", found, vector["error"]


def check_record(vector):
    yield "record", parse(bytes.fromhex(vector["script"])), vector["record"]


def check_commitment(vector):
    parts = (vector["service"], vector["name"], vector["key"])
    found = commitment(*parts, bytes.fromhex(vector["owner_script"]))
    yield "record", "@{}!{}!{}".format(*parts), vector["record"]
    yield "hash", found, vector["commitment"]


def check_digest(vector):
    if "network" in vector:
        params = PARAMS[vector["network"]]
        found = initial_bytes(params).hex(), initial_digest(params)
    else:
        effects = [(effect["index"], effect) for effect in vector["effects"]]
        of = vector["previous"], vector["hash"], effects
        found = block_bytes(*of).hex(), block_digest(*of)
    yield "bytes", found[0], vector["bytes"]
    yield "digest", found[1], vector["digest"]


def replay(vector, chain):
    """A registry at the last of these blocks, and the effects of that block."""
    params = vector["params"]
    registry = Registry(PARAMS[params] if isinstance(params, str) else params)
    effects = [registry.block(block) for block in chain]
    return registry, effects[-1]


def check_chain(vector):
    chain = []
    for block in vector["blocks"]:
        height = block["height"]
        chain = [kept for kept in chain if kept["height"] < height]
        if "raw" in block:
            found = read_block(bytes.fromhex(block["raw"]))
            parent = chain[-1]["hash"] if chain else found["parent"]
            txs = [{key: tx[key] for key in found["txs"][0]} for tx in block["txs"]]
            yield f"raw at {height}", found, {"hash": block["hash"], "parent": parent, "txs": txs}
        chain.append(block)
        registry, effects = replay(vector, chain)
        yield f"effects at {height}", effects, [tx["effects"] for tx in block["txs"]]
        yield f"digest at {height}", registry.digest, block["digest"]
    heights = [block["height"] for block in chain]
    yield "heights", heights, list(range(heights[0], heights[0] + len(heights)))
    yield "rows", registry.rows(heights[-1]), vector["rows"]
    for asked in vector["finality"] + vector.get("resolve", []):
        tip = asked["tip"]
        registry, _ = replay(vector, chain[: heights.index(tip) + 1])
        judged = tip - asked["depth"] + 1
        if "key" in asked:
            name = tuple(asked["name"][1:].split("!"))
            found = {"key": registry.resolve(name, judged, asked["pending_too"])}
        else:
            found = registry.judge(judged)
        yield "judged", {**asked, **found}, asked


def main():
    checks = {
        "params.json": check_params,
        "sizes.json": check_size,
        "labels.json": check_label,
        "records.json": check_record,
        "commitments.json": check_commitment,
        "digests.json": check_digest,
    }
    files = sorted((HERE / "chains").glob("*.json"))
    checks.update({f"chains/{file.name}": check_chain for file in files})
    known = set(re.findall(r"\[([A-Z]\d+)\]", TEXT))
    covered = set()
    count = failed = 0
    for name, check in checks.items():
        for vector in json.loads((HERE / name).read_text(encoding="utf-8"))["vectors"]:
            count += 1
            covered.update(vector["rules"])
            differences = [d for d in check(vector) if d[1] != d[2]]
            for what, found, expected in differences:
                print(f"{name}: {vector['id']} {vector['rules']}: {what}")
                print(f"  expected {expected}\n  found    {found}")
            failed += bool(differences)
    for rule in sorted(covered - known):
        print(f"a vector names [{rule}], which docs/protocol.md does not have")
    for rule in sorted(known - covered):
        print(f"no vector covers [{rule}]")
    if failed or covered != known:
        print(f"{failed} of {count} vectors differ")
        return 1
    print(f"{count} vectors agree")
    return 0


if __name__ == "__main__":
    sys.exit(main())
