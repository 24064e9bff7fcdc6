import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { jsonText } from "../../src/reports/json.ts";
import { listText } from "../../src/reports/list-text.ts";
import type { ListReport, SignReport, VerifyReport } from "../../src/reports/report.ts";
import { signText } from "../../src/reports/sign-text.ts";
import { oneLine, shortDigest } from "../../src/reports/terminal.ts";
import { verifyText } from "../../src/reports/verify-text.ts";

const digest = `sha256:${"ab".repeat(32)}`;
const place = { kind: "tag", name: `sha256-${"ab".repeat(32)}.sig`, digest: null } as const;
const signer = {
  subject: "CN=release",
  sans: ["https://ci.example.com/release"],
  issuer: null,
  fingerprint: "sha256:00",
};
const nowhere = {
  code: "E_REGISTRY_THROTTLED",
  message: "the registry asks to wait",
  hint: "try later",
  retry: true,
  place: "tag x",
};

const verified: VerifyReport = {
  schemaVersion: 1,
  operation: "verify",
  verdict: "untrusted",
  images: [
    {
      reference: "registry.example.com/app:1.2",
      digest,
      verdict: "trusted",
      status: "verified",
      signatures: [
        {
          format: "cosign",
          place,
          trusted: true,
          reasons: [],
          algorithm: "ecdsa-p256-sha256",
          signer,
          time: { source: "none", at: null },
        },
      ],
      errors: [nowhere],
    },
    {
      reference: "registry.example.com/app:1.3",
      digest,
      verdict: "untrusted",
      status: "refused",
      signatures: [
        {
          format: "bundle",
          place: { kind: "fallback-tag", name: digest, digest: null },
          trusted: false,
          reasons: [{ code: "E_SIGNATURE_INVALID", message: "the signature does not verify" }],
          algorithm: null,
          signer: null,
          time: { source: "none", at: null },
        },
      ],
      errors: [],
    },
  ],
  warnings: ["no identity is asked for"],
};

describe("the text of a verify report", () => {
  it("tells each image, each signature with its place and reasons, each place not looked at, and totals", () => {
    expect(verifyText(verified)).toMatchInlineSnapshot(`
      "registry.example.com/app:1.2: trusted
        digest    sha256:abababababababababababababababababababababababababababababababab
        trusted   cosign in tag sha256-abababababab….sig, ecdsa-p256-sha256, by CN=release · https://ci.example.com/release
        E_REGISTRY_THROTTLED: tag x: the registry asks to wait
          mend: try later
      registry.example.com/app:1.3: untrusted
        digest    sha256:abababababababababababababababababababababababababababababababab
        refused   bundle in referrer (by tag) sha256:abababababab…
                    E_SIGNATURE_INVALID: the signature does not verify
      warning: no identity is asked for
      2 images: 1 trusted, 1 untrusted
      "
    `);
  });

  it("says that there was nothing to verify", () => {
    expect(verifyText({ ...verified, images: [], warnings: [] })).toBe("0 images: nothing to verify\n");
  });
});

describe("the text of a sign report", () => {
  const signed: SignReport = {
    schemaVersion: 1,
    operation: "sign",
    images: [
      {
        reference: `registry.example.com/app@${digest}`,
        digest,
        status: "signed",
        signatures: [
          {
            format: "cosign",
            place,
            added: true,
            algorithm: "ecdsa-p256-sha256",
            signer: { ...signer, subject: null },
          },
        ],
        errors: [],
      },
      {
        reference: "registry.example.com/app:no",
        digest: null,
        status: "failed",
        signatures: [],
        errors: [{ ...nowhere, place: null }],
      },
    ],
    warnings: [],
  };

  it("tells what was added, by which key, and what failed with its mend", () => {
    expect(signText(signed)).toMatchInlineSnapshot(`
      "registry.example.com/app@sha256:abababababababababababababababababababababababababababababababab: signed
        added     cosign in tag sha256-abababababab….sig, ecdsa-p256-sha256, key sha256:00
      registry.example.com/app:no: failed
        E_REGISTRY_THROTTLED: the registry asks to wait
          mend: try later
      2 images: 1 signed, 1 failed
      "
    `);
  });
});

describe("the text of a list report", () => {
  const listed: ListReport = {
    schemaVersion: 1,
    operation: "list",
    verified: false,
    images: [
      {
        reference: "registry.example.com/app:1.2",
        digest,
        attachments: [
          {
            kind: "referrer",
            format: null,
            place: { kind: "referrer", name: digest, digest },
            mediaType: "application/vnd.oci.image.manifest.v1+json",
            artifactType: "application/vnd.example+json",
            size: 7,
            signer: null,
            annotations: {},
          },
        ],
        errors: [],
      },
      { reference: "registry.example.com/app:1.3", digest, attachments: [], errors: [] },
    ],
    warnings: [],
  };

  it("says first that nothing is verified, then everything attached", () => {
    expect(listText(listed)).toMatchInlineSnapshot(`
      "What is attached, as it claims to be; nothing here has been verified.
      registry.example.com/app:1.2
        digest sha256:abababababababababababababababababababababababababababababababab
        referrer application/vnd.example+json in referrer sha256:abababababab…, 7 bytes
      registry.example.com/app:1.3
        digest sha256:abababababababababababababababababababababababababababababababab
        nothing attached
      "
    `);
  });
});

describe("text from outside, on its way to a terminal", () => {
  const steering = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/;

  it("never holds a control character, a line end or a bidirectional override", () => {
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => !steering.test(oneLine(text))));
  });

  it("is left as it is when it is plain", () => {
    expect(oneLine("CN=Müller, O=Example")).toBe("CN=Müller, O=Example");
  });

  it("is cut where it is long", () => {
    expect(oneLine("a".repeat(500), 10)).toBe(`${"a".repeat(10)}…`);
  });

  it("cannot break a line of any report", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const image = verified.images[0];
        if (image === undefined) throw new Error("no image");
        const hostile: VerifyReport = {
          ...verified,
          images: [
            {
              ...image,
              reference: text,
              signatures: image.signatures.map((signature) => ({
                ...signature,
                signer: { ...signer, subject: text, sans: [text], issuer: text },
                reasons: [{ code: "E_IDENTITY_MISMATCH", message: text }],
              })),
              errors: [{ ...nowhere, message: text, place: text, hint: text }],
            },
          ],
          warnings: [text],
        };
        const lines = verifyText(hostile).split("\n");
        return lines.length === 9 && lines.every((line) => !steering.test(line));
      }),
    );
  });

  it("is one JSON document whatever it holds, without raw control characters", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const json = jsonText({ text });
        return JSON.parse(json).text === text && !/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u202e]/.test(json);
      }),
    );
  });
});

describe("a digest in few characters", () => {
  it("keeps algorithm and twelve digits", () => {
    expect(shortDigest(digest)).toBe("sha256:abababababab…");
  });
});
