import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isCountersignError } from "../../../src/model/errors.ts";
import { parseContainersPolicy } from "../../../src/policies/containers/document.ts";
import { documents } from "./support/documents.ts";

const read = (text: string) => parseContainersPolicy(new TextEncoder().encode(text));

describe("reading a policy.json", () => {
  for (const { title, text, taken } of documents) {
    it(`${taken ? "takes" : "refuses"} ${title}`, () => {
      if (taken) expect(() => read(text)).not.toThrow();
      else expect(() => read(text)).toThrow(expect.objectContaining({ code: "E_POLICY_INVALID", exit: 2 }));
    });
  }

  it("names the place of what is wrong", () => {
    const text = '{"default":[{"type":"reject"}],"transports":{"docker":{"a.b/c":[{"type":"reject","why":1}]}}}';
    expect(() => read(text)).toThrow(/transports\.docker\."a\.b\/c"\.0: the member "why" is unknown/);
  });

  it("refuses whatever else with a code, and never otherwise", () => {
    const members = [
      "default",
      "transports",
      "docker",
      "type",
      "keyType",
      "keyPath",
      "keyData",
      "signedIdentity",
      "pki",
    ];
    const values = ["reject", "signedBy", "sigstoreSigned", "GPGKeys", "remapIdentity", "", "/a"];
    const tree = fc.letrec((tie) => ({
      node: fc.oneof(
        { depthSize: "small" },
        fc.constantFrom<unknown>(...values, null, 1, true),
        fc.array(tie("node"), { maxLength: 3 }),
        fc.dictionary(fc.oneof(fc.constantFrom(...members), fc.string()), tie("node"), { maxKeys: 4 }),
      ),
    })).node;
    fc.assert(
      fc.property(tree, (document) => {
        try {
          const policy = read(JSON.stringify(document));
          expect(policy.default.length).toBeGreaterThan(0);
        } catch (error) {
          expect(isCountersignError(error) && error.code).toBe("E_POLICY_INVALID");
        }
      }),
      { numRuns: 300 },
    );
  });
});
