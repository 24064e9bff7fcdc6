import { CountersignError } from "../model/errors.ts";
import { createNotationPlugin } from "../services/notation-plugin.ts";
import { pluginLabel } from "../services/notation-plugin-commands.ts";
import { findPlugin } from "../services/notation-plugin-folders.ts";
import { createPluginSigner, pluginKey, rehearsePlugin } from "../signers/plugin-signer.ts";
import { checkSigningChain } from "../signers/preflight.ts";
import type { ExternalSignerRequest, LoadedSigner } from "./loaded-signer.ts";
import { checkedNames } from "./pass-env.ts";

/**
 * The signer behind `notation-plugin:NAME?id=KEY&name=value…`. Without certificates by flag the plugin signs once, over a text that is
 * no payload, for the chain in its answer; one that makes whole envelopes is asked nothing before there is an image.
 * @throws with exit status 2: E_USAGE, E_COMMAND when there is no such plugin, and the codes of certificates; and what
 * describeKey and rehearsePlugin throw.
 */
export async function loadPluginSigner({
  host,
  spec,
  options,
  algorithm,
  material,
  purpose,
}: ExternalSignerRequest): Promise<LoadedSigner> {
  const { name, keyId, config } = readPluginAddress(spec);
  if (options.signerInput !== "message") {
    throw new CountersignError(
      "E_USAGE",
      "--signer-input digest does not fit notation plugins, which hash by themselves",
      {
        hint: "leave --signer-input out",
      },
    );
  }
  const label = pluginLabel(name);
  const plugin = createNotationPlugin(host, {
    name,
    path: await findPlugin(name, options.pluginDir, host),
    keyId,
    config,
    passEnv: checkedNames(options.passEnv ?? []),
    timeout: options.signerTimeout * 1000,
  });
  const concurrency = options.signerConcurrency ?? 4;
  if ((await plugin.makes()) === "envelopes") {
    const { createEnvelopeSigner } = await import("../signers/envelope-signer.ts");
    if (algorithm !== undefined) {
      throw new CountersignError(
        "E_USAGE",
        `--signing-algorithm says nothing to ${label}, which makes whole envelopes`,
        {
          hint: "leave --signing-algorithm out: the key decides",
        },
      );
    }
    return { signer: createEnvelopeSigner({ label, plugin, material, concurrency }), warnings: [] };
  }
  const keySpec = await plugin.describeKey();
  if (material !== undefined) {
    const known = { ...material, publicKey: pluginKey(label, material.publicKey, keySpec) };
    return { signer: createPluginSigner({ label, plugin, keySpec, material: known, concurrency }), warnings: [] };
  }
  const { publicKey, certificates } = await rehearsePlugin(label, plugin, keySpec);
  const { chain, warnings } = checkSigningChain({ publicKey, certificates, at: host.now(), purpose });
  return {
    signer: createPluginSigner({ label, plugin, keySpec, material: { publicKey, chain }, concurrency }),
    warnings: warnings.map(({ message }) => `${label}: ${message}`),
  };
}

/**
 * `notation-plugin:NAME?id=KEY&name=value…`: `id` names the key, everything else is the plugin's configuration. Names and values are
 * percent-decoded; a plus sign is a plus sign.
 * @throws E_USAGE, which shows no value: configuration can be secret.
 */
export function readPluginAddress(spec: string): {
  readonly name: string;
  readonly keyId: string;
  readonly config: Readonly<Record<string, string>>;
} {
  const address = spec.slice(spec.indexOf(":") + 1);
  const mark = address.indexOf("?");
  const name = mark < 0 ? address : address.slice(0, mark);
  const values = new Map<string, string>();
  for (const pair of mark < 0 ? [] : address.slice(mark + 1).split("&")) {
    const equals = pair.indexOf("=");
    if (equals < 1) throw unreadable("has a part that is not name=value");
    const [key, value] = [decode(pair.slice(0, equals)), decode(pair.slice(equals + 1))];
    if (values.has(key)) throw unreadable(`has ${JSON.stringify(key.slice(0, 100))} twice`);
    values.set(key, value);
  }
  const keyId = values.get("id") ?? "";
  values.delete("id");
  if (keyId === "") throw unreadable("names no key");
  return { name, keyId, config: Object.fromEntries(values) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw unreadable("holds a % that begins no percent-encoding");
  }
}

function unreadable(what: string): CountersignError {
  return new CountersignError("E_USAGE", `--signer notation-plugin: ${what}`, {
    hint: "write notation-plugin:NAME?id=KEY&name=value, with & as %26 and % as %25 inside values",
  });
}
