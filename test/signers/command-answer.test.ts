import { describe, expect, it } from "vitest";
import { z } from "zod";
import { commandAnswer } from "../../src/signers/command-answer.ts";

describe("the JSON that an exec: signer may print", () => {
  it("is published as docs/schemas/command-answer.json (mend: npx vitest run test/signers/command-answer.test.ts --update)", async () => {
    const schema = `${JSON.stringify(z.toJSONSchema(commandAnswer), null, 2)}\n`;
    await expect(schema).toMatchFileSnapshot("../../docs/schemas/command-answer.json");
  });
});
