import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { COMMANDS, INPUTS, type InputName } from "../../src/action/input-table.ts";
import { loadInputs } from "../../src/action/inputs.ts";
import { CountersignError } from "../../src/model/errors.ts";
import { inputVariables } from "./support/step.ts";

function load(given: Readonly<Record<string, string>>) {
  return loadInputs({ PATH: "/bin", ...inputVariables(given) });
}

function refusal(given: Readonly<Record<string, string>>): CountersignError {
  try {
    load(given);
  } catch (error) {
    if (error instanceof CountersignError) return error;
    throw error;
  }
  throw new Error("nothing was refused");
}

const names = Object.keys(INPUTS) as InputName[];

describe("the inputs of a step", () => {
  it("are what is given, without what action.yml fills in", () => {
    const { command, given, summary, allowUntrustedEvents, extraArguments } = load({
      command: "sign",
      image: " registry.example.test/app ",
      key: "env://KEY",
    });
    expect(Object.fromEntries(given)).toEqual({
      image: "registry.example.test/app",
      key: "env://KEY",
      summary: "true",
      "allow-untrusted-events": "false",
    });
    expect({ command, summary, allowUntrustedEvents, extraArguments }).toEqual({
      command: "sign",
      summary: true,
      allowUntrustedEvents: false,
      extraArguments: [],
    });
  });

  it("keep white space in secrets, but for the line break at the end that a form adds", () => {
    const { given } = load({ command: "sign", image: "app", passphrase: " two words \n" });
    expect(given.get("passphrase")).toBe(" two words ");
  });

  it("take further arguments a line each, with everything that a shell would read", () => {
    expect(load({ command: "sign", "extra-args": "--tags=v*\n\n  --report=$(id) `x`; y\n" }).extraArguments).toEqual([
      "--tags=v*",
      "--report=$(id) `x`; y",
    ]);
  });

  it("are found whatever letters the environment is written in, as on Windows", () => {
    expect(loadInputs({ input_command: "setup" }).command).toBe("setup");
  });

  it.each(["true", "True", "TRUE"])("take %s for true", (value) => {
    expect(load({ command: "sign", "allow-untrusted-events": value }).allowUntrustedEvents).toBe(true);
  });

  it.each(["yes", "1", "on"])("refuse %s as neither true nor false", (value) => {
    expect(refusal({ command: "verify", summary: value }).message).toBe(
      `summary: "${value}" is neither true nor false`,
    );
  });
});

describe("an input that is given and empty", () => {
  const maybe = names.filter((name) => name !== "github-token");

  it.each(maybe)("%s is refused, as a secret or variable that does not exist looks like this", (name) => {
    const command = INPUTS[name].commands[0] ?? "sign";
    expect(refusal({ command, [name]: "" })).toMatchObject({
      code: "E_INPUT_EMPTY",
      exit: 2,
      message: `the input ${name} is given and empty`,
    });
  });

  it("is refused when it holds only white space", () => {
    expect(refusal({ command: "verify", "certificate-identity": " \n" }).code).toBe("E_INPUT_EMPTY");
  });

  it.each(["key", "passphrase", "registry-password", "signer-token"])(
    "says for %s which secret to add, and that forks have none",
    (name) => {
      const { hint } = refusal({ command: "sign", [name]: "" });
      expect(hint).toContain(`${name}: \${{ secrets.${name.toUpperCase().replaceAll("-", "_")} }}`);
      expect(hint).toContain("forks");
    },
  );

  it("is passed over where the runner itself fills it in", () => {
    expect(load({ command: "sign", "github-token": "" }).given.has("github-token")).toBe(false);
  });

  it("can be left out by a word, for workflows that hand inputs on", () => {
    expect(load({ command: "sign", key: "unset" }).given.has("key")).toBe(false);
  });
});

describe("whatever the environment holds", () => {
  it("is read or refused as wrong use, and no input that is empty passes for one that is not there", () => {
    const name = fc.oneof(fc.constantFrom("command", ...names), fc.string({ maxLength: 20 }));
    fc.assert(
      fc.property(fc.dictionary(name, fc.oneof(fc.constantFrom("", "sign", "true", "unset"), fc.string())), (given) => {
        try {
          const read = loadInputs(
            Object.fromEntries(Object.entries(given).map(([key, value]) => [`INPUT_${key}`, value])),
          );
          for (const [key, value] of Object.entries(given)) {
            if (value.trim() === "") expect(["github-token"]).toContain(key.toLowerCase());
          }
          expect([...read.given.values()]).not.toContain("");
        } catch (error) {
          if (!(error instanceof CountersignError)) throw error;
          expect(error.exit).toBe(2);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("an input that cannot be meant", () => {
  it.each([
    ["keys", "key"],
    ["certificate_chain", "certificate-chain"],
    ["ca-root", "ca-roots"],
    ["certificate-identity-regex", "certificate-identity-regexp"],
    ["comand", "command"],
  ])("%s is refused with the name that was meant", (name, meant) => {
    expect(refusal({ command: "verify", [name]: "x" })).toMatchObject({
      code: "E_USAGE",
      message: `there is no input "${name}"`,
      hint: expect.stringContaining(`write ${meant}:`),
    });
  });

  it("is refused without a guess where no name is near", () => {
    expect(refusal({ command: "verify", "frobnication-level": "x" }).hint).toMatch(/^take it out of with:/);
  });

  it.each([
    ["sign", "ca-roots"],
    ["sign", "policy"],
    ["verify", "passphrase"],
    ["attach", "key"],
    ["setup", "image"],
  ])("for command %s: %s is refused rather than passed over", (command, name) => {
    expect(refusal({ command, [name]: "x" }).message).toBe(`the input ${name} means nothing to command: ${command}`);
  });

  it.each(["", "unset", "singn", "SIGN", "sign verify"])("command %j is refused with those there are", (command) => {
    expect(refusal({ command }).hint).toBe(`write one of ${COMMANDS.join(", ")} for command:`);
  });

  it("is refused when command is missing, before anything else is looked at", () => {
    expect(() => loadInputs({})).toThrow("the input command is missing");
  });
});
