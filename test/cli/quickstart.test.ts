import { describe, expect, it } from "vitest";
import { createMachine } from "./support/machine.ts";

const machine = createMachine();

describe("quickstart", () => {
  it("ends every step as it must, writes nothing, and says so as JSON", async () => {
    const { exit, stdout, stderr } = await machine.run(["quickstart", "--output", "json"]);
    const { good, steps, operation } = JSON.parse(stdout) as {
      operation: string;
      good: boolean;
      steps: { title: string; expected?: string; got?: string; detail: string[] }[];
    };
    expect([exit, operation, good, stderr]).toEqual([0, "quickstart", true, ""]);
    expect(steps.flatMap(({ got }) => got ?? [])).toEqual([
      "trusted",
      "untrusted",
      "trusted",
      "unsigned",
      "untrusted",
      "untrusted",
      "promoted",
      "refused",
      "trusted",
      "undetermined",
    ]);
    for (const { expected, got } of steps) expect(got).toBe(expected);
    expect(machine.contents().size).toBe(0);
    const told = steps.flatMap(({ detail }) => detail).join("\n");
    for (const code of [
      "E_IDENTITY_MISMATCH",
      "E_SUBJECT_MISMATCH",
      "E_SIGNATURE_INVALID",
      "E_REGISTRY_THROTTLED",
      "E_NOT_VERIFIED",
    ]) {
      expect(told).toContain(code);
    }
  });

  it("tells its story as text, step by step", async () => {
    const { exit, stdout } = await machine.run(["quickstart"]);
    expect(exit).toBe(0);
    expect([...stdout.matchAll(/^(\d+)\. /gm)].map(([, number]) => Number(number))).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
    ]);
    expect(stdout).toMatch(/All as it must be/);
    expect(stdout).not.toMatch(/expected/);
  });
});
