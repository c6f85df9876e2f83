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


# The digest


def u32(number):
    return number.to_bytes(4, "little")


def label(text):
    return bytes([len(text)]) + text.encode()


def place(pair):
    return u32(pair[0]) + u32(pair[1])


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
        out += u32(effect["vout"])
    return out + place(effect["priority"]) if kind == "claimed" else out


def display_order(text):
    return bytes.fromhex(text)[::-1]


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

    def sorted_names(self, wanted):
        return [(name, h) for name, h in sorted(self.names.items()) if wanted(h)]

    def transaction(self, at, tx):
        scripts = [bytes.fromhex(script) for script in tx["outputs"]]
        ownable = [(n, s) for n, s in enumerate(scripts) if s[:1] != bytes([OP_RETURN])]
        record = next((r for r in map(parse, scripts) if r), None)
        effects = []
        updated = False
        for coin in tx["inputs"]:
            for name, held in self.sorted_names(lambda h: h["owner"] == coin):
                effect = {"service": name[0], "name": name[1]}
                if self.speaks_of(record, name) and ownable:
                    updated = True
                    vout, script = ownable[0]
                    held.update(key=record["key"], owner_script=script.hex())
                    held.update(owner=f"{tx['txid']}:{vout}")
                    new = {"key": record["key"], "owner_script": script.hex(), "vout": vout}
                    effects.append({"kind": "updated", **effect, **new})
                else:
                    held["owner"] = None
                    effects.append({"kind": "dormant", **effect})
        if record and record["kind"] == "reserve":
            fields = {key: record[key] for key in ("service", "commitment")}
            self.reservations.append({**fields, "at": at, "opened": None})
            effects.append({"kind": "reserved", **fields})
        elif record and not updated:
            effects += self.claim(at, tx, record, ownable)
        for vout, script in enumerate(scripts):
            asleep = lambda h: h["owner"] is None and h["owner_script"] == script.hex()
            for name, held in self.sorted_names(asleep):
                held["owner"] = f"{tx['txid']}:{vout}"
                effect = {"service": name[0], "name": name[1], "vout": vout}
                effects.append({"kind": "woken", **effect})
        return effects

    @staticmethod
    def speaks_of(record, name):
        if record is None or record["kind"] != "name":
            return False
        return (record["service"], record["name"]) == name

    def claim(self, at, tx, record, ownable):
        service, name, key = record["service"], record["name"], record["key"]
        for vout, script in ownable:
            digits = commitment(service, name, key, script)
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
        live.sort(key=lambda r: r["at"])
        effects = []
        for reservation in live:
            if reservation["opened"] is None:
                reservation["opened"] = at
                of = {"service": service, "commitment": digits}
                position = list(reservation["at"])
                effects.append({"kind": "opened", **of, "reservation": position})
        held = self.names.get((service, name))
        if held is None or live[0]["at"] < held["priority"]:
            self.names[service, name] = {
                "key": key,
                "owner_script": script.hex(),
                "owner": f"{tx['txid']}:{vout}",
                "priority": live[0]["at"],
                "claim": at,
            }
            new = {"key": key, "owner_script": script.hex(), "vout": vout}
            effect = {"kind": "claimed", "service": service, "name": name}
            effects.append({**effect, **new, "priority": list(live[0]["at"])})
        return effects

    def is_final(self, name, judged):
        """[F1] to [F5], from what is known at the tip: openings carry their height."""
        held = self.names[name]
        if judged < self.first or held["claim"][0] > judged:
            return False
        return not any(
            r["service"] == name[0]
            and r["at"] < held["priority"]
            and r["at"][0] <= judged < r["at"][0] + self.window
            and (r["opened"] is None or r["opened"][0] > judged)
            for r in self.reservations
        )

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
                "owner_state": "held" if held["owner"] else "dormant",
            }
            for name, held in sorted(self.names.items())
        ]


# The files


def check_label(vector):
    service = vector["service"]
    if "name" in vector:
        found = label_error(vector["name"], 37 - len(service))
    else:
        found = label_error(service, 14)
    return [("error", found, vector["error"])]


def check_record(vector):
    return [("record", parse(bytes.fromhex(vector["script"])), vector["record"])]


def check_commitment(vector):
    parts = (vector["service"], vector["name"], vector["key"])
    found = commitment(*parts, bytes.fromhex(vector["owner_script"]))
    record = "@{}!{}!{}".format(*parts)
    return [("record", record, vector["record"]), ("hash", found, vector["commitment"])]


PARAMS = {}


def check_params(vector):
    PARAMS[vector["network"]] = vector
    return [("genesis", len(vector["genesis"]), 64)]


def check_digest(vector):
    if "network" in vector:
        params = PARAMS[vector["network"]]
        found = initial_bytes(params).hex(), initial_digest(params)
    else:
        effects = [(effect["index"], effect) for effect in vector["effects"]]
        of = vector["previous"], vector["hash"], effects
        found = block_bytes(*of).hex(), block_digest(*of)
    return [("bytes", found[0], vector["bytes"]), ("digest", found[1], vector["digest"])]


def check_chain(vector):
    params = vector["params"]
    registry = Registry(PARAMS[params] if isinstance(params, str) else params)
    for block in vector["blocks"]:
        height = block["height"]
        expected = [tx["effects"] for tx in block["txs"]]
        yield f"effects at {height}", registry.block(block), expected
        yield f"digest at {height}", registry.digest, block["digest"]
        for judged in vector["finality"]:
            if judged["tip"] == height:
                found = {"final": [], "pending": []}
                for name in sorted(registry.names):
                    final = registry.is_final(name, height - judged["depth"] + 1)
                    found["final" if final else "pending"].append("@{}!{}".format(*name))
                for state, names in found.items():
                    yield f"{state} at {height}, depth {judged['depth']}", names, judged[state]
    heights = {block["height"] for block in vector["blocks"]}
    yield "tips", {judged["tip"] for judged in vector["finality"]} - heights, set()
    yield "rows", registry.rows(vector["blocks"][-1]["height"]), vector["rows"]


def main():
    checks = {
        "params.json": check_params,
        "labels.json": check_label,
        "records.json": check_record,
        "commitments.json": check_commitment,
        "digests.json": check_digest,
    }
    checks.update({f"chains/{file.name}": check_chain for file in (HERE / "chains").glob("*.json")})
    known = set(re.findall(r"\[([A-Z]\d+)\]", (HERE.parent / "protocol.md").read_text()))
    covered = set()
    count = failed = 0
    for name, check in checks.items():
        for vector in json.loads((HERE / name).read_text())["vectors"]:
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
