import { describe, expect, it } from "vitest";
import { signingServiceSchemas } from "../../src/services/signing-protocol.ts";

describe("the JSON Schemas of the signing service's protocol", () => {
  for (const [name, schema] of Object.entries(signingServiceSchemas())) {
    it(`${name}.json is what the program speaks (mend: npx vitest run test/services/protocol-schemas.test.ts --update)`, async () => {
      await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot(`../../docs/schemas/${name}.json`);
    });
  }
});
