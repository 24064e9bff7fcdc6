import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { RevocationContext } from "../../src/model/policy.ts";
import { createRevocationCheck } from "../../src/operations/revocation.ts";
import { createExchange } from "../../src/platform/http.ts";
import { refuseInside } from "../../src/platform/outside.ts";
import { type Handler, type Served, serve } from "../../src/platform/serve.ts";
import { createRevocationSource } from "../../src/services/revocation-source.ts";
import { parseRevocationLists } from "../../src/trust/crl.ts";
import { fileOf } from "../support/countersign.ts";
import { reset, slow, status, withFaults } from "../support/faults.ts";
import { startRegistry } from "../support/start-registry.ts";
import { context, contextPrimitive, oidOf, sequenceOf } from "../trust/support/der-writer.ts";
import { authority, type ExtensionSpec, type Issued, issue } from "../trust/support/pki.ts";
import { signHere, verdictsOf, verifyHere } from "./support/countersign.ts";
import { pushImage } from "./support/image.ts";
import { describeWithPeer, requirePeer } from "./support/peers.ts";
import { temporaryFolder } from "./support/run.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const day = 86_400_000;
const span = { notBefore: new Date(Date.now() - 9 * day), notAfter: new Date(Date.now() + 9 * day) };

const aia = (url: string): ExtensionSpec => ({
  oid: "1.3.6.1.5.5.7.1.1",
  value: sequenceOf(sequenceOf(oidOf("1.3.6.1.5.5.7.48.1"), contextPrimitive(6, url))),
});
const cdp = (...urls: readonly string[]): ExtensionSpec => ({
  oid: "2.5.29.31",
  value: sequenceOf(...urls.map((url) => sequenceOf(context(0, context(0, contextPrimitive(6, url)))))),
});

const SERIALS = { good: "1001", revoked: "1002", stranger: "1003" } as const;
type Who = keyof typeof SERIALS;

describeWithPeer("openssl", "revocation, by openssl ocsp and openssl ca -gencrl", () => {
  const root = issue({ ...authority("Company Root"), ...span });
  const other = issue({ ...authority("Stranger Root"), ...span });
  const folder = temporaryFolder("revocation");
  let server: Served;
  /** What the addresses in certificates lead to, by path. */
  const routes = new Map<string, Handler>();
  const asked: string[] = [];

  const pemKey = (issued: Issued) => issued.key.export({ type: "pkcs8", format: "pem" }).toString();
  const file = (name: string, content: string) => {
    writeFileSync(path.join(folder, name), content);
    return path.join(folder, name);
  };

  function openssl(args: readonly string[]): Buffer {
    const done = spawnSync(requirePeer("openssl"), args, { cwd: folder });
    if (done.status !== 0) throw new Error(`openssl ${args.join(" ")}: ${done.stderr}`);
    return done.stdout;
  }

  function leaf(who: Who, extensions: readonly ExtensionSpec[], issuer = root): Issued {
    return issue({
      subject: `release ${who}`,
      serial: SERIALS[who],
      issuer,
      ca: false,
      keyUsage: ["digitalSignature"],
      extendedKeyUsage: ["1.3.6.1.5.5.7.3.3"],
      ...span,
      extensions,
    });
  }

  /** `openssl ocsp` over what it is sent. */
  function responder({
    signer = root,
    days = ["-ndays", "1"],
    issuer = root,
    extra = [] as readonly string[],
  } = {}): Handler {
    return async ({ body }) => {
      const name = randomBytes(8).toString("hex");
      writeFileSync(path.join(folder, `${name}.req`), body);
      const ca = file(`${name}.ca.pem`, issuer.pem);
      const pem = file(`${name}.pem`, signer.pem);
      const key = file(`${name}.key`, pemKey(signer));
      openssl([
        ...["ocsp", "-index", "index.txt", "-CA", ca, "-rsigner", pem, "-rkey", key, ...days, ...extra],
        ...["-reqin", `${name}.req`, "-respout", `${name}.resp`],
      ]);
      const response = openssl(["base64", "-A", "-in", `${name}.resp`]);
      const headers = { "content-type": "application/ocsp-response" };
      return { status: 200, headers, body: Buffer.from(response.toString(), "base64") };
    };
  }

  function crl(signer = root, days = 1, more = ""): Buffer {
    const name = randomBytes(8).toString("hex");
    const config = `[ca]\ndefault_ca=x\n[x]\ndatabase=${path.join(folder, "index.txt")}\ndefault_md=sha256\ndefault_crl_days=${days}\n${more}`;
    const args = ["ca", "-gencrl", "-config", file(`${name}.cnf`, config), "-cert", file(`${name}.pem`, signer.pem)];
    return openssl([...args, "-keyfile", file(`${name}.key`, pemKey(signer))]);
  }

  const asDer = (pem: Buffer) => Buffer.from(pem.toString().replace(/-----[^-]+-----/g, ""), "base64");
  const served =
    (body: Uint8Array): Handler =>
    async () => ({ status: 200, headers: {}, body });
  const at = (place: string) => `${server.origin}${place}`;

  beforeAll(async () => {
    const expiry = "350101000000Z";
    const now = new Date()
      .toISOString()
      .replace(/[-:T]|\.\d+/g, "")
      .slice(2);
    file(
      "index.txt",
      [
        `V\t${expiry}\t\t1001\tunknown\t/CN=good`,
        `R\t${expiry}\t${now},keyCompromise\t1002\tunknown\t/CN=revoked`,
        "",
      ].join("\n"),
    );
    server = await serve(async (request) => {
      asked.push(request.url.pathname);
      return routes.get(request.url.pathname)?.(request) ?? { status: 404, headers: {} };
    });
  });
  afterAll(() => server.close());

  function check(
    issued: Issued,
    options: {
      files?: readonly Uint8Array[];
      online?: boolean;
      timeout?: number;
      context?: RevocationContext;
      anchor?: Issued;
    } = {},
  ) {
    const { files = [], online = true, timeout = 3000, context: told = { of: "signer" }, anchor = root } = options;
    const source = createRevocationSource({
      exchange: createExchange(),
      permitted: () => undefined,
      timeout,
      userAgent: "countersign/test",
    });
    const host = { now: () => new Date(), randomBytes: (length: number) => new Uint8Array(randomBytes(length)) };
    const lists = files.flatMap(parseRevocationLists);
    const ask = createRevocationCheck({ host, lists, source: online ? source : undefined });
    return ask([issued.certificate, anchor.certificate], told);
  }

  async function outcome(...args: Parameters<typeof check>): Promise<string> {
    const { reasons, statuses } = await check(...args);
    expect(reasons).toHaveLength(["good", "exempt"].includes(statuses[0]?.status ?? "") ? 0 : 1);
    return [statuses[0]?.status, ...reasons.map(({ code }) => code)].join(" ");
  }

  describe("an OCSP responder", () => {
    it.each([
      ["good", "good"],
      ["revoked", "revoked E_CERTIFICATE_REVOKED"],
      ["stranger", "unknown E_REVOCATION_UNKNOWN"],
    ] as const)("tells a certificate that is %s", async (who, expected) => {
      routes.set("/ocsp", responder());
      expect(await outcome(leaf(who, [aia(at("/ocsp"))]))).toBe(expected);
    });

    it("counts when the issuer certified it for that, and not when it did for something else", async () => {
      const delegate = (usage: string, issuer = root) =>
        issue({ subject: "Responder", issuer, ...span, keyUsage: ["digitalSignature"], extendedKeyUsage: [usage] });
      routes.set("/delegated", responder({ signer: delegate("1.3.6.1.5.5.7.3.9") }));
      expect(await outcome(leaf("good", [aia(at("/delegated"))]))).toBe("good");
      routes.set("/delegated", responder({ signer: delegate("1.3.6.1.5.5.7.3.3") }));
      expect(await outcome(leaf("good", [aia(at("/delegated"))]))).toBe("unchecked E_REVOCATION_UNCHECKED");
      routes.set("/delegated", responder({ signer: delegate("1.3.6.1.5.5.7.3.9", other) }));
      expect(await outcome(leaf("good", [aia(at("/delegated"))]))).toBe("unchecked E_REVOCATION_UNCHECKED");
    });

    const broken: readonly [string, () => Handler, RegExp][] = [
      ["signed by a stranger", () => responder({ signer: other }), /not certified by|responder's certificate/],
      [
        "about another authority's certificate",
        () => responder({ issuer: other }),
        /unknown|nothing of this certificate|does not know/,
      ],
      ["without a time until which it holds", () => responder({ days: [] }), /until when it holds/],
      ["with another nonce", () => replayed(), /nonce/],
      [
        "that is rubbish",
        () => async () => ({ status: 200, headers: { "content-type": "application/ocsp-response" }, body: "rubbish" }),
        /cannot be read/,
      ],
      [
        "that is HTML",
        () => async () => ({ status: 200, headers: { "content-type": "text/html" }, body: "<html>" }),
        /text\/html/,
      ],
      [
        "that says try later",
        () => async () => ({
          status: 200,
          headers: { "content-type": "application/ocsp-response" },
          body: Buffer.from("30030a0103", "hex"),
        }),
        /busy/,
      ],
      ["that redirects", () => async () => ({ status: 302, headers: { location: at("/ocsp") } }), /302/],
      ["that fails", () => withFaults(responder(), [{ fault: status(500) }]), /500/],
      ["that is cut off", () => withFaults(responder(), [{ fault: reset() }]), /ECONNRESET|cannot talk/],
      [
        "without end",
        () => async () => ({
          status: 200,
          headers: { "content-type": "application/ocsp-response" },
          body: new Uint8Array(70_000),
        }),
        /more than/,
      ],
    ];
    it.each(broken)("does not count with an answer %s", async (_, handler, why) => {
      routes.set("/broken", handler());
      const { reasons, statuses } = await check(leaf("good", [aia(at("/broken"))]));
      expect(["unchecked", "unknown"]).toContain(statuses[0]?.status);
      expect(reasons[0]?.message).toMatch(why);
    });

    it("that is slow is not waited for, one that is down is said to be", async () => {
      routes.set("/slow", withFaults(responder(), [{ fault: slow(5000) }]));
      const late = await check(leaf("good", [aia(at("/slow"))]), { timeout: 100 });
      expect(late.reasons[0]?.message).toMatch(/did not finish its answer/);
      const down = await check(leaf("good", [aia("http://127.0.0.1:1/ocsp")]));
      expect(down.reasons[0]?.message).toMatch(/ECONNREFUSED/);
    });

    it("that answers badly once is asked once more, and the next one after it", async () => {
      routes.set("/once", withFaults(responder(), [{ nth: 1, fault: status(503) }]));
      expect(await outcome(leaf("good", [aia(at("/once"))]))).toBe("good");
    });

    it("that does not answer is made up for by the list that the certificate names", async () => {
      routes.set("/list.crl", served(asDer(crl())));
      const both = [aia("http://127.0.0.1:1/"), cdp(at("/list.crl"))];
      expect(await outcome(leaf("good", both))).toBe("good");
      expect(await outcome(leaf("revoked", both))).toBe("revoked E_CERTIFICATE_REVOKED");
    });

    /** The answer to somebody else's request, as an attacker keeps one. */
    function replayed(): Handler {
      let kept: Awaited<ReturnType<Handler>>;
      const real = responder();
      return async (request) => {
        kept ??= await real({ ...request, body: withOtherNonce(request.body) });
        return kept;
      };
    }
    function withOtherNonce(body: Uint8Array): Uint8Array {
      const changed = Buffer.from(body);
      changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 0xff;
      return changed;
    }
  });

  describe("a list", () => {
    it.each([
      ["good", "good"],
      ["revoked", "revoked E_CERTIFICATE_REVOKED"],
      ["stranger", "good"],
    ] as const)("at the address that a certificate names tells one that is %s", async (who, expected) => {
      routes.set("/list.crl", served(asDer(crl())));
      expect(await outcome(leaf(who, [cdp(at("/list.crl"))]))).toBe(expected);
    });

    it("is fetched once a run, and no other is asked when it is at hand", async () => {
      routes.set("/list.crl", served(asDer(crl())));
      asked.length = 0;
      expect(await outcome(leaf("good", [cdp(at("/list.crl"))]), { files: [crl()] })).toBe("good");
      expect(asked).toEqual([]);
    });

    it("in a file, PEM or DER, tells what is revoked, and nothing else is asked", async () => {
      for (const written of [crl(), asDer(crl())]) {
        const offline = { files: [written], online: false };
        expect(await outcome(leaf("revoked", []), offline)).toBe("revoked E_CERTIFICATE_REVOKED");
        expect(await outcome(leaf("good", []), offline)).toBe("good");
      }
    });

    it.each<[string, () => Uint8Array, RegExp]>([
      ["of another authority", () => crl(other), /no list at hand/],
      ["signed by another than it names", () => asNamesake(), /not signed by the key/],
      ["that is over", () => past(), /it held until/],
    ])("%s does not count", async (_, make, why) => {
      const { reasons } = await check(leaf("good", []), { files: [make()], online: false });
      expect(reasons).toMatchObject([{ code: "E_REVOCATION_UNCHECKED", message: expect.stringMatching(why) }]);
    });

    it("does not count when one of several that a certificate names is missing", async () => {
      routes.set("/list.crl", served(asDer(crl())));
      const { reasons } = await check(leaf("good", [cdp(at("/list.crl"), at("/missing.crl"))]));
      expect(reasons).toMatchObject([{ code: "E_REVOCATION_UNCHECKED", message: expect.stringMatching(/404/) }]);
    });

    it("does not count over https, ldap or with credentials in its address", async () => {
      for (const address of [
        "https://127.0.0.1/a.crl",
        "ldap://127.0.0.1/a",
        "http://user:secret@127.0.0.1/a.crl",
        "x",
      ]) {
        const { reasons } = await check(leaf("good", [cdp(address)]));
        expect(reasons).toMatchObject([
          { code: "E_REVOCATION_UNCHECKED", message: expect.stringMatching(/no http address/) },
        ]);
      }
    });

    /** A list by an authority of the same name with another key. */
    function asNamesake(): Buffer {
      return crl(issue({ ...authority("Company Root"), ...span }));
    }
    function past(): Buffer {
      const ago = (days: number) => new Date(Date.now() - days * day).toISOString().replace(/[-:T]|\.\d+/g, "");
      const name = randomBytes(8).toString("hex");
      const config = `[ca]\ndefault_ca=x\n[x]\ndatabase=${path.join(folder, "index.txt")}\ndefault_md=sha256\n`;
      const dates = ["-crl_lastupdate", ago(2), "-crl_nextupdate", ago(1)];
      const args = [
        "ca",
        "-gencrl",
        "-config",
        file(`${name}.cnf`, config),
        ...dates,
        "-cert",
        file(`${name}.pem`, root.pem),
      ];
      return openssl([...args, "-keyfile", file(`${name}.key`, pemKey(root))]);
    }
  });

  it("a certificate that names nobody to ask is exempt, unless lists are demanded", async () => {
    expect(await outcome(leaf("good", []))).toBe("exempt");
    expect(await outcome(leaf("good", []), { online: false })).toBe("unchecked E_REVOCATION_UNCHECKED");
  });

  it("addresses of this machine are not visited because a certificate names them", async () => {
    const exchange = createExchange({ outsideOnly: true });
    const source = createRevocationSource({
      exchange,
      permitted: refuseInside,
      timeout: 3000,
      userAgent: "countersign/test",
    });
    asked.length = 0;
    for (const host of ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "metadata.google.internal", "0x7f.1"]) {
      await expect(source.crl(`http://${host}:${new URL(server.origin).port}/list.crl`), host).rejects.toMatchObject({
        code: "E_INSECURE_ADDRESS",
      });
    }
    // What a name leads to is looked at when it is connected to.
    const connecting = createRevocationSource({
      exchange,
      permitted: () => undefined,
      timeout: 3000,
      userAgent: "countersign/test",
    });
    await expect(connecting.crl(`http://localhost:${new URL(server.origin).port}/list.crl`)).rejects.toMatchObject({
      code: "E_INSECURE_ADDRESS",
    });
    expect(asked).toEqual([]);
  });

  describe("verify", () => {
    it("refuses a revoked signer, by file and by OCSP; cannot tell when nobody answers; asks nobody unless told", async () => {
      routes.set("/ocsp", responder());
      const registry = await startRegistry();
      try {
        const verdicts = async (who: Who, address: string, flags: readonly string[]) => {
          const { reference } = await pushImage(registry.host, `revocation/${who}`, randomBytes(8).toString("hex"));
          const signer = leaf(who, [aia(address)]);
          const signed = await signHere({
            images: [reference],
            formats: ["cosign"],
            key: pemKey(signer),
            certificate: signer.pem,
            chain: root.pem,
          });
          expect(signed.exitCode, signed.stdout).toBe(0);
          const done = await verifyHere({ images: [reference], trust: { roots: root.pem }, flags });
          return `${done.exitCode} ${verdictsOf(done).join()}`;
        };
        const list = ["--crl", fileOf(crl())];
        const online = ["--revocation", "check", "--allow-inside-revocation-hosts"];
        expect(await verdicts("revoked", at("/ocsp"), [])).toBe("0 trusted");
        expect(await verdicts("good", at("/ocsp"), list)).toBe("0 trusted");
        expect(await verdicts("revoked", at("/ocsp"), list)).toBe("1 untrusted E_CERTIFICATE_REVOKED");
        expect(await verdicts("good", at("/ocsp"), online)).toBe("0 trusted");
        expect(await verdicts("revoked", at("/ocsp"), online)).toBe("1 untrusted E_CERTIFICATE_REVOKED");
        expect(await verdicts("stranger", at("/ocsp"), online)).toBe("1 untrusted E_REVOCATION_UNKNOWN");
        expect(await verdicts("good", "http://127.0.0.1:1/", online)).toBe("3 undetermined E_REVOCATION_UNCHECKED");
        expect(await verdicts("good", at("/ocsp"), ["--revocation", "check"])).toBe(
          "3 undetermined E_REVOCATION_UNCHECKED",
        );
      } finally {
        await registry.close();
      }
    });
  });
});
