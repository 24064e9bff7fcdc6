import { generateKeyPairSync, type KeyObject } from "node:crypto";
import type { Certificate } from "../model/certificate.ts";
import type { Host } from "../platform/host.ts";
import { parseCertificate } from "../trust/certificate.ts";
import { issueCertificate } from "../trust/issue-certificate.ts";

/** A root, an intermediate, and a leaf with its key; all of them forgotten with the process. */
export interface Pki {
  readonly root: Certificate;
  readonly intermediate: Certificate;
  readonly leaf: Certificate;
  readonly leafKey: KeyObject;
}

/** Makes a PKI that is good for an hour. `identity` becomes the leaf's URI. */
export async function throwAwayPki(host: Host, identity: string): Promise<Pki> {
  const now = host.now().getTime();
  const pair = () => generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  const [rootKey, intermediateKey, leafKey] = [pair(), pair(), pair()];
  const validity = { notBefore: new Date(now - 60_000), notAfter: new Date(now + 3_600_000) };
  const serial = () => `01${Buffer.from(host.randomBytes(15)).toString("hex")}`;
  const rootDer = await issueCertificate(
    {
      subject: "CN=Quickstart Root",
      publicKey: rootKey.publicKey,
      serial: serial(),
      ...validity,
      ca: {},
      keyUsage: ["keyCertSign", "cRLSign"],
    },
    rootKey.privateKey,
  );
  const intermediateDer = await issueCertificate(
    {
      subject: "CN=Quickstart Intermediate",
      publicKey: intermediateKey.publicKey,
      serial: serial(),
      ...validity,
      ca: { pathLength: 0 },
      keyUsage: ["keyCertSign", "cRLSign"],
    },
    rootKey.privateKey,
    { certificate: rootDer },
  );
  const leafDer = await issueCertificate(
    {
      subject: "CN=Release Pipeline",
      publicKey: leafKey.publicKey,
      serial: serial(),
      ...validity,
      keyUsage: ["digitalSignature"],
      extendedKeyUsage: ["1.3.6.1.5.5.7.3.3"],
      alternativeNames: [{ type: "uri", value: identity }],
    },
    intermediateKey.privateKey,
    { certificate: intermediateDer },
  );
  return {
    root: parseCertificate(rootDer),
    intermediate: parseCertificate(intermediateDer),
    leaf: parseCertificate(leafDer),
    leafKey: leafKey.privateKey,
  };
}
