import { afterAll, beforeAll, describe } from "vitest";
import { type StartedRegistry, startRegistry } from "../../support/start-registry.ts";
import {
  authority,
  type CertificateSpec,
  createPki,
  DAY,
  type Issued,
  issue,
  issueDer,
  NOW,
  type PkiSpec,
  SERVER_AUTH,
  signer,
} from "../../trust/support/pki.ts";
import { keyPem } from "../support/keys.ts";
import { createMachine } from "../support/machine.ts";
import { type BadInput, refuses } from "../support/refusals.ts";
import { pemSecrets } from "../support/secrets.ts";

const machine = createMachine();
let registry: StartedRegistry;
beforeAll(async () => {
  registry = await startRegistry();
});
afterAll(() => registry.close());

const image = "localhost:1/app:1";
const pki = createPki();
const key = keyPem(pki.key);
const around = () => ({ machine, registry, secrets: pemSecrets(key) });

type Row = readonly [name: string, args: readonly string[], code: BadInput["code"], says: string];

let files = 0;
function file(content: string | Uint8Array): string {
  files += 1;
  return machine.file(`material-${files}.pem`, content);
}

/** Signing with the leaf of a PKI, its certificates all in one file. */
function signing({ leaf, intermediates, root }: { leaf: Issued; intermediates: readonly Issued[]; root: Issued }) {
  const chain = [leaf, ...intermediates, root].map(({ pem }) => pem).join("");
  return [
    "sign",
    "--key",
    file(keyPem(leaf.key)),
    "--certificate",
    file(leaf.pem),
    "--certificate-chain",
    file(chain),
    image,
  ];
}

const withLeaf = (leaf: CertificateSpec) => signing(createPki({ leaf }));
const withIssuer = (intermediate: CertificateSpec, rest: PkiSpec = {}) =>
  signing(createPki({ ...rest, intermediates: [intermediate] }));

describe("a signing certificate that verifiers would refuse", () => {
  const twice = createPki({ intermediates: [{ ca: { pathLength: 0 } }, {}] });
  const stranger = issue({ ...authority("Intermediate 1"), keyKind: "p256" });
  const alone = issue({ ...signer("alone") });
  const rows: readonly Row[] = [
    ["expired", withLeaf({ notAfter: new Date(NOW.getTime() - DAY) }), "E_CERTIFICATE_EXPIRED", "release"],
    ["not yet valid", withLeaf({ notBefore: new Date(NOW.getTime() + DAY) }), "E_CERTIFICATE_NOT_YET_VALID", "release"],
    ["for servers", withLeaf({ extendedKeyUsage: [SERVER_AUTH] }), "E_CERTIFICATE_USAGE", "release"],
    ["for anything but signatures", withLeaf({ keyUsage: ["keyEncipherment"] }), "E_CERTIFICATE_USAGE", "release"],
    ["of an authority", withLeaf({ ca: true, keyUsage: ["keyCertSign"] }), "E_CERTIFICATE_USAGE", "release"],
    [
      "signed by itself",
      ["sign", "--key", file(keyPem(alone.key)), "--certificate", file(alone.pem), image],
      "E_CERTIFICATE_SELF_SIGNED",
      "alone",
    ],
    [
      "with a critical extension nobody knows",
      withLeaf({ extensions: [{ oid: "1.2.3.4", critical: true, value: Buffer.from([5, 0]) }] }),
      "E_CERTIFICATE_CONSTRAINT",
      "1.2.3.4",
    ],
    ["with a bit of its signature turned", withLeaf({ tampered: true }), "E_CERTIFICATE_SIGNATURE", "release"],
    ["with SHA-1", withLeaf({ signature: "sha1" }), "E_CERTIFICATE_SIGNATURE", ""],
    [
      "under an expired authority",
      withIssuer({ notAfter: new Date(NOW.getTime() - DAY) }),
      "E_CERTIFICATE_EXPIRED",
      "Intermediate",
    ],
    ["under an issuer that is no authority", withIssuer({ ca: false }), "E_CERTIFICATE_CONSTRAINT", "Intermediate"],
    [
      "under an issuer that may not sign certificates",
      withIssuer({ keyUsage: ["cRLSign"] }),
      "E_CERTIFICATE_USAGE",
      "Intermediate",
    ],
    ["under a weak authority", withIssuer({ keyKind: "rsa1024" }), "E_KEY_WEAK", "1024"],
    ["at the end of a path that is too long", signing(twice), "E_CERTIFICATE_CONSTRAINT", "Intermediate"],
    [
      "beside a namesake of its issuer",
      signing({ ...pki, intermediates: [stranger] }),
      "E_CERTIFICATE_SIGNATURE",
      "Intermediate",
    ],
  ];
  for (const [name, args, code, says] of rows) refuses({ name, args, code, says, exit: 2 }, around);
});

describe("certificates that cannot be read", () => {
  const sign = (certificate: string) => ["sign", "--key", file(key), "--certificate", certificate, image];
  const verify = (roots: string) => ["verify", "--ca-roots", roots, image];
  const broken = pki.leaf.pem.replace(/[A-Za-z0-9+/]{8}\n/, "\n");
  const many = Array.from({ length: 65 }, () => pki.root.pem).join("");
  const rows: readonly Row[] = [
    ["of another key", sign(file(createPki().leaf.pem)), "E_CERTIFICATE_KEY_MISMATCH", "release"],
    ["not there", sign(machine.absent("leaf.pem")), "E_FILE_UNREADABLE", "leaf.pem"],
    ["empty", sign(file("")), "E_CERTIFICATE_INVALID", ""],
    ["a private key", sign(file(key)), "E_CERTIFICATE_INVALID", ""],
    ["with a few characters lost", sign(file(broken)), "E_CERTIFICATE_INVALID", ""],
    [
      "of version 1",
      sign(file(issueDer({ ...signer(), version: 1, issuer: pki.root, key: pki.key }).bytes)),
      "E_CERTIFICATE_USAGE",
      "extended key usage",
    ],
    ["the certificate itself on the command line", sign(pki.leaf.pem), "E_USAGE", "source"],
    ["roots not there", verify(machine.absent("root.pem")), "E_FILE_UNREADABLE", "root.pem"],
    ["roots that are a text", verify(file("our root")), "E_CERTIFICATE_INVALID", "--ca-roots"],
    ["roots that are a private key", verify(file(key)), "E_CERTIFICATE_INVALID", "--ca-roots"],
    ["roots beyond number", verify(file(many)), "E_CERTIFICATE_INVALID", "64"],
    [
      "intermediates that are none",
      [...verify(file(pki.root.pem)), "--ca-intermediates", file("none")],
      "E_CERTIFICATE_INVALID",
      "--ca-intermediates",
    ],
  ];
  for (const [name, args, code, says] of rows) refuses({ name, args, code, says, exit: 2 }, around);
});
