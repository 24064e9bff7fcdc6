import { ALGORITHMS } from "../model/algorithm.ts";
import type { Certificate } from "../model/certificate.ts";
import type { Format } from "../model/format.ts";
import type { Authority, Verdict } from "../model/policy.ts";
import type { Signer } from "../model/signature.ts";
import { parseReference } from "../oci/reference.ts";
import type { PromoteReport } from "../reports/report.ts";
import { createLocalSigner } from "../signers/local-signer.ts";
import { exactRule } from "../trust/text-rules.ts";
import { promote } from "./promote.ts";
import { forgeSignature, moveSignature, pushImage } from "./quickstart-images.ts";
import { throwAwayOpenPgp } from "./quickstart-openpgp.ts";
import { throwAwayPki } from "./quickstart-pki.ts";
import type { Session } from "./session.ts";
import { sign } from "./sign.ts";
import { verify } from "./verify.ts";

/** One step of the story: what was done, what should come of it, what came of it. */
export interface QuickstartStep {
  readonly title: string;
  readonly detail: readonly string[];
  /** What the step must end in; absent for steps that only make something. */
  readonly expected?: Ending | undefined;
  readonly got?: Ending | undefined;
}

type Ending = Verdict | PromoteReport["images"][number]["status"];

export interface QuickstartWorld {
  /** `host:port` of the embedded registry. */
  readonly registry: string;
  /** Makes every answer of the registry 429 until told otherwise. */
  throttle(on: boolean): void;
  readonly formats: readonly Format[];
  /** For the step that signs for podman; the registry keeps such signatures itself. */
  readonly openpgp: Format;
}

const IDENTITY = "https://ci.example.com/release";

/**
 * Sign, verify, tamper, refusal, promotion on a registry of its own with a throw-away PKI. Each step is told as it ends.
 * Resolves to whether every step ended as it must.
 */
export async function quickstart(
  session: Session,
  world: QuickstartWorld,
  tell: (step: QuickstartStep) => void,
): Promise<boolean> {
  const repositoryName = `${world.registry}/demo/app`;
  const repository = session.open(parseReference(`${repositoryName}:1.0`));
  const pki = await throwAwayPki(session.host, IDENTITY);
  tell({
    title: "Made a throw-away PKI: a root, an intermediate, a leaf for the pipeline",
    detail: [`root          ${pki.root.subject.text}`, `leaf          ${pki.leaf.subject.text}, ${IDENTITY}`],
  });

  const image = await pushImage(session.host, repository, "1.0");
  tell({ title: `Pushed an image as ${repositoryName}:1.0`, detail: [`digest        ${image}`] });

  const signer = createLocalSigner({
    key: pki.leafKey,
    chain: [pki.leaf, pki.intermediate, pki.root],
    label: "throw-away key",
  });
  let good = true;
  const signStep = async (by: Signer, formats: readonly Format[]) => {
    const signed = await sign(session, {
      targets: { images: [`${repositoryName}:1.0`] },
      signer: by,
      formats,
      options: { annotations: {} },
      recursive: false,
      warnings: [],
    });
    const places = signed.images.flatMap(({ signatures }) => signatures);
    tell({
      title: `Signed it as ${formats.map(({ name }) => name).join(" and ")}, stored the signatures, verified what was stored`,
      detail: [
        ...places.map(
          ({ format, algorithm, place }) => `${format.padEnd(13)} ${algorithm}, ${place.kind} ${place.name}`,
        ),
        ...signed.images.flatMap(({ errors }) => errors.map(({ code, message }) => `${code}: ${message}`)),
      ],
    });
    good &&= signed.images.every(({ status }) => status === "signed");
  };
  await signStep(signer, world.formats);

  const judgeStep = async (
    title: string,
    reference: string,
    expected: Verdict,
    whom: string | Authority = IDENTITY,
  ) => {
    const authority = typeof whom === "string" ? authorityFor(pki.root, whom) : whom;
    const report = await verify(session, {
      targets: { images: [reference] },
      requirement: { authority },
      recursive: false,
      warnings: [],
    });
    const reasons = report.images.flatMap(({ signatures, errors }) => [
      ...signatures.map((signature) =>
        signature.trusted
          ? `${signature.format.padEnd(13)} trusted`
          : `${signature.format.padEnd(13)} refused, ${signature.reasons.map(({ code, message }) => `${code}: ${message}`).join("; ")}`,
      ),
      ...errors.map(({ code, message }) => `${code}: ${message}`),
    ]);
    tell({ title, detail: [...new Set(reasons)], expected, got: report.verdict });
    good &&= report.verdict === expected;
  };

  await judgeStep("Verified it, given only the root and who may sign", `${repositoryName}:1.0`, "trusted");
  await judgeStep("Asked for another signer", `${repositoryName}:1.0`, "untrusted", "https://ci.example.com/other");

  const openpgp = await throwAwayOpenPgp(session.host.now(), "Release");
  await signStep(openpgp.signer, [world.openpgp]);
  await judgeStep(
    "Verified it as podman does, given only the OpenPGP key",
    `${repositoryName}:1.0`,
    "trusted",
    openpgp.authority,
  );

  await pushImage(session.host, repository, "1.1");
  await judgeStep("Pushed 1.1 and did not sign it", `${repositoryName}:1.1`, "unsigned");

  const victim = await pushImage(session.host, repository, "1.2");
  await moveSignature(repository, image, victim);
  await judgeStep("Pushed 1.2 and hung 1.0's signature on it", `${repositoryName}:1.2`, "untrusted");

  const forged = await pushImage(session.host, repository, "1.3");
  await forgeSignature(repository, image, forged);
  await judgeStep("Pushed 1.3 and rewrote 1.0's signed payload to name it", `${repositoryName}:1.3`, "untrusted");

  const production = `${world.registry}/production/app`;
  const promoteStep = async (title: string, tag: string, expected: Ending) => {
    const report = await promote(session, session, {
      pairs: [{ source: `${repositoryName}:${tag}`, destination: `${production}:1` }],
      source: { requirement: { authority: authorityFor(pki.root, IDENTITY) } },
      recursive: false,
      dryRun: false,
      warnings: [],
    });
    const detail = report.images.flatMap(({ digest, tag: moved, attachments, errors }) => [
      ...(moved === null ? [] : [`${production}:1 ${moved.status}${moved.status === "moved" ? `, ${digest}` : ""}`]),
      ...attachments.map(({ kind, format, place }) => `${kind} ${format ?? "unknown"} came along, ${place.kind}`),
      ...errors.map(({ code, message }) => `${code}: ${message}`),
    ]);
    const got = report.images[0]?.status;
    tell({ title, detail, expected, got });
    good &&= got === expected;
  };
  await promoteStep("Promoted 1.0: verified, copied with its signatures, verified, then tagged", "1.0", "promoted");
  await promoteStep("Tried to promote 1.1 over it, which nobody signed", "1.1", "refused");
  await judgeStep("Looked at what production runs", `${production}:1`, "trusted");

  world.throttle(true);
  await judgeStep(
    "Made the registry answer 429: could not look is not unsigned",
    `${repositoryName}@${image}`,
    "undetermined",
  );
  world.throttle(false);
  return good;
}

function authorityFor(root: Certificate, identity: string): Authority {
  return {
    name: "quickstart",
    trust: { keys: [], anchors: [root], intermediates: [], allowedAlgorithms: ALGORITHMS },
    identities: [{ name: exactRule(identity) }],
    annotations: {},
    reference: "none",
  };
}
