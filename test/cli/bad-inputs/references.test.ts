import { afterAll, beforeAll, describe } from "vitest";
import { type StartedRegistry, startRegistry } from "../../support/start-registry.ts";
import { keyPem, publicKeyPem } from "../support/keys.ts";
import { createMachine, type Machine } from "../support/machine.ts";
import { refuses } from "../support/refusals.ts";

const machine: Machine = createMachine();
const key = machine.file("cosign.pub", publicKeyPem());
const privateKey = machine.file("signing.key", keyPem());
let registry: StartedRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());

const hex = "0".repeat(64);

describe("a reference that is none", () => {
  const rows: readonly (readonly [name: string, reference: string, says: string | RegExp])[] = [
    ["empty", "", "empty"],
    ["of spaces", "  ", "space"],
    ["with a space at its end", "registry.test/app ", "space"],
    ["with a line break", "registry.test/app\n:1", "control character"],
    ["with an escape sequence", "registry.test/\u001b[31mapp", "\\u001b"],
    ["with a scheme", "https://registry.test/app", "https://"],
    ["with a scheme and a password", "https://robot:planted pass/word+91bc=@registry.test/app", "https://"],
    ["in upper case", "registry.test/App:1", "App"],
    ["with an upper-case digest", `registry.test/app@sha256:${"A".repeat(64)}`, "upper-case"],
    ["with a short digest", "registry.test/app@sha256:abc", "sha256:abc"],
    ["with a digest of md5", "registry.test/app@md5:d41d8cd98f00b204e9800998ecf8427e", "md5"],
    ["with a digest where the tag belongs", `registry.test/app:sha256:${hex}`, "sha256"],
    ["with nothing behind the colon", "registry.test/app:", "nothing behind the colon"],
    ["with nothing behind the at sign", "registry.test/app@", "digest"],
    ["with two tags", "registry.test/app:1:2", "colon"],
    ["with a tag of 129 characters", `registry.test/app:${"t".repeat(129)}`, "129 characters"],
    ["with a tag that starts with a dot", "registry.test/app:.hidden", ".hidden"],
    ["with a port out of range", "registry.test:65536/app", "65536"],
    ["with a port of letters", "registry.test:port/app", "port"],
    ["with an IPv6 address without brackets", "::1:5000/app", "::1"],
    ["with an IPv6 address that is none", "[:::]:5000/app", "IPv6"],
    ["with a host that starts with a dash", "-registry.test/app", "-registry.test"],
    ["with an address in another spelling", "0x7f.1:5000/app", "0x7f.1"],
    ["with parts that climb", "registry.test/../etc/passwd", ".."],
    ["with an empty part", "registry.test//app", "empty part"],
    ["with a slash at its end", "registry.test/app/", "slash"],
    ["with a separator at an end", "registry.test/app-/web", "app-"],
    ["with a query", "registry.test/app?tag=1", "app?tag=1"],
    ["with a percent sign", "registry.test/%2e%2e/app", "%2e"],
    ["with a name of 256 characters", `registry.test/${"a".repeat(256)}`, "256 characters"],
    ["of 5000 characters", `registry.test/${"a/".repeat(2500)}a`, "too long"],
    ["of a layout without a folder", "oci:", "names no folder"],
    ["with a character of another script", "registry.test/\u0430pp", "not allowed"],
  ];
  for (const [name, reference, says] of rows) {
    const args = ["verify", "--key", key, "--", reference];
    refuses({ name, args, code: "E_REFERENCE_INVALID", says, exit: 2 }, () => ({ machine, registry }));
  }
});

describe("a reference that is none, among good ones", () => {
  const around = () => ({ machine, registry });
  const list = machine.file("images.txt", "# built today\nregistry.test/app:1\n\nregistry.test/App:2\n");

  refuses(
    {
      name: "in a file",
      args: ["verify", "--key", key, "--images", list],
      code: "E_REFERENCE_INVALID",
      says: "App",
      exit: 2,
    },
    around,
  );
  refuses(
    {
      name: "on standard input",
      args: ["list", "-"],
      stdin: "localhost:1/app\nlocalhost:1/../app\n",
      code: "E_REFERENCE_INVALID",
      says: "..",
      exit: 2,
    },
    around,
  );
  refuses(
    {
      name: "to be signed",
      args: ["sign", "--key", privateKey, "localhost:1/app:1", "localhost:1/app@sha256:1"],
      code: "E_REFERENCE_INVALID",
      says: "sha256:1",
      exit: 2,
    },
    around,
  );
  refuses(
    {
      name: "a tag where --all takes a repository",
      args: ["verify", "--key", key, "--all", "localhost:1/app:1.2"],
      code: "E_REFERENCE_INVALID",
      says: "1.2",
      exit: 2,
    },
    around,
  );
});
