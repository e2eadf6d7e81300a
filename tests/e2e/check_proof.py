#!/usr/bin/env python3
"""Check a proof of `doorstep journal prove` as sync/FORMAT.md, "Proofs", says: an outsider's checker.

Usage: check_proof.py FILE SERVER_KEY_HEX. Shares no code with the product: BLAKE2b from hashlib,
Ed25519 from openssl, and its own reader of the little msgpack that is needed.
"""
import hashlib
import json
import subprocess
import sys
import tempfile


def H(*parts):
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()


def take(data, at):
    """One msgpack value of the kinds that occur: (value, where it ends)."""
    first = data[at]
    at += 1
    if first < 0x80:
        return first, at
    if first >= 0xE0:
        return first - 256, at
    if 0x80 <= first < 0x90 or 0x90 <= first < 0xA0:
        items = []
        for _ in range((first & 15) * (2 if first < 0x90 else 1)):
            value, at = take(data, at)
            items.append(value)
        return (dict(zip(items[::2], items[1::2])) if first < 0x90 else items), at
    if first in (0xC4, 0xC5):
        width = 1 if first == 0xC4 else 2
        size = int.from_bytes(data[at : at + width], "big")
        return data[at + width : at + width + size], at + width + size
    if 0xCC <= first <= 0xCF or 0xD0 <= first <= 0xD3:
        width = 1 << (first & 3)
        return int.from_bytes(data[at : at + width], "big", signed=first >= 0xD0), at + width
    raise ValueError(f"msgpack byte {first:#x}")


def signed(key, label, message, signature):
    """Ed25519 by openssl: the 12 bytes in front say "Ed25519 public key" (RFC 8410)."""
    with tempfile.TemporaryDirectory() as folder:
        names = {}
        for name, data in {
            "key": bytes.fromhex("302a300506032b6570032100") + key,
            "text": label + message,
            "signature": signature,
        }.items():
            names[name] = f"{folder}/{name}"
            with open(names[name], "wb") as file:
                file.write(data)
        return (
            subprocess.run(
                ["openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin"]
                + ["-inkey", names["key"], "-in", names["text"], "-sigfile", names["signature"]],
                capture_output=True,
                check=False,
            ).returncode
            == 0
        )


def need(holds, what):
    if not holds:
        sys.exit(f"no proof: {what}")


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        proof = json.load(file)
    b = {name: bytes.fromhex(text) for name, text in proof.items() if name != "proof" and isinstance(text, str)}
    path = [bytes.fromhex(text) for text in proof["path"]]
    behind = [bytes.fromhex(text) for text in proof["behind"]]
    server_key = bytes.fromhex(sys.argv[2])

    need(signed(server_key, b"doorstep receipt 1", b["head"], b["head_signature"]), "step 1, the head")
    head = take(b["head"], 0)[0][1]
    station, size, root = head[2], head[4], head[5]

    need(signed(b["device_key"], b"doorstep batch 1", b["header"], b["signature"]), "step 2, the batch")
    header = take(b["header"], 0)[0]
    name = b"doorstep id 1" + station + b"\x04" + b["device_key"]
    need(hashlib.blake2b(name, digest_size=16).digest() == header[3], "step 2, the device")

    stub = take(b["stub"], 0)[0]
    need(stub[3] == H(b"doorstep sealed 1", b["header"], b["signature"]), "step 3, the stub")

    c = b["before"]
    for op in [H(b"doorstep op 1", b["op"])] + behind:
        c = H(b"doorstep next 1", c, op)
    need(c == header[9], "step 4, the chain")

    i, last, c = proof["position"] - 1, size - 1, H(b"\x00", b["stub"])
    need(0 <= i <= last, "step 5, the position")
    for p in path:
        need(last > 0, "step 5, too many hashes")
        if i % 2 == 1 or i == last:
            c = H(b"\x01", p, c)
            while i % 2 == 0 and i != 0:
                i, last = i // 2, last // 2
        else:
            c = H(b"\x01", c, p)
        i, last = i // 2, last // 2
    need(last == 0 and c == root, "step 5, the root")

    seq = header[6] + header[7] - 1 - len(behind)
    op_id = header[4] + bytes([header[5]]) + seq.to_bytes(7, "big")
    print(json.dumps({"op": op_id.hex(), "seq": seq, "device": header[3].hex(), "size": size}))


if __name__ == "__main__":
    main()
