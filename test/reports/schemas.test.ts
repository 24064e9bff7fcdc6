import { describe, expect, it } from "vitest";
import { jsonSchemas } from "../../src/reports/report.ts";

describe("the JSON Schemas under docs/schemas", () => {
  for (const [name, schema] of Object.entries(jsonSchemas())) {
    it(`${name}.json is what the program writes (mend: npx vitest run test/reports/schemas.test.ts --update)`, async () => {
      await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot(`../../docs/schemas/${name}.json`);
    });
  }
});
