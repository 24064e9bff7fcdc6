import { deflateRawSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeMessage } from "../../../src/formats/openpgp/message.ts";
import { decodeText } from "../../../src/formats/openpgp/text-forms.ts";
import { isCountersignError } from "../../../src/model/errors.ts";
import { concat, readPackets, writePacket } from "../../../src/trust/openpgp/packets.ts";

describe("an OpenPGP message of any bytes", () => {
  it("is refused by a code, and never ends otherwise", () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc
        .array(fc.tuple(fc.integer({ min: 0, max: 63 }), fc.uint8Array({ maxLength: 40 })), { maxLength: 4 })
        .map((packets) => concat(packets.map(([tag, body]) => writePacket(tag, body)))),
    );
    fc.assert(
      fc.property(bytes, (message) => {
        try {
          decodeText(message) ?? decodeMessage(message);
          return false;
        } catch (error) {
          return isCountersignError(error) && error.exit === 1;
        }
      }),
    );
  });

  it("is refused when it holds more than a message may, however small it is", () => {
    const bomb = concat([Uint8Array.of(0xa3, 1), deflateRawSync(Buffer.alloc(64 * 1024 * 1024))]);
    expect(bomb.length).toBeLessThan(100_000);
    expect(() => decodeMessage(bomb)).toThrow(/holds more than/);
  });
});

describe("packets", () => {
  it("are read as they were written", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 63 }), fc.uint8Array({ maxLength: 9000 }), (tag, body) => {
        const [packet, ...others] = readPackets(writePacket(tag, body));
        expect(others).toEqual([]);
        expect(packet?.tag).toBe(tag);
        expect(Buffer.from(packet?.body ?? []).equals(body)).toBe(true);
      }),
    );
  });
});
