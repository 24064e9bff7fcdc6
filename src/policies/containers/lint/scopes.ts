import { formatDockerReference, isDockerPrefix, parseDockerReference } from "../../../oci/docker-reference.ts";
import { type Consumer, isSince } from "./consumers.ts";
import { type LintFinding, placeOf } from "./finding.ts";

/** Those of containers/image 5.39; a policy may name others, which is passed over in silence. */
const TRANSPORTS: readonly string[] = [
  ...["docker", "atomic", "containers-storage", "dir", "docker-archive", "docker-daemon", "oci", "oci-archive"],
  ...["ostree", "sif", "tarball"],
];

export function lintTransport(transport: string): readonly LintFinding[] {
  if (TRANSPORTS.includes(transport)) return [];
  return [
    {
      severity: "warning",
      rule: "transport-unknown",
      consumer: null,
      place: `transports.${transport}`,
      message: `no transport is called ${JSON.stringify(transport.slice(0, 80))}: its scopes match nothing`,
      mend: "write docker for images of registries",
    },
  ];
}

/** A registry's scope that no image can be under; containers/image takes it in silence, and applies what is less specific. */
export function lintScope(transport: string, scope: string, consumers: readonly Consumer[]): readonly LintFinding[] {
  if (transport !== "docker" || scope === "") return [];
  const finding = { severity: "warning", consumer: null, place: placeOf(transport, scope) } as const;
  const idle = whyIdle(scope);
  if (idle !== undefined) {
    const [why, mend] = idle;
    return [{ ...finding, rule: "scope-never-matches", message: `no image is under this scope: ${why}`, mend }];
  }
  if (scope.startsWith("*.")) {
    return consumers
      .filter((consumer) => !isSince(consumer, "5.10.0"))
      .map((consumer) => ({
        ...finding,
        rule: "scope-never-matches",
        consumer: consumer.name,
        message: `${consumer.name} knows no wildcards (they came with containers/image 5.10.0)`,
        mend: "name each host",
      }));
  }
  if (/^localhost(?:\/|$)/.test(scope)) {
    const message = "localhost is the registry without a port: localhost:5000 and its like are not under it";
    return [{ ...finding, rule: "scope-narrower", message, mend: "name the port: localhost:5000" }];
  }
  return [];
}

function whyIdle(scope: string): readonly [why: string, mend: string] | undefined {
  if (scope.includes("://")) return ["it starts with a protocol", "leave the protocol out"];
  if (scope.endsWith("/")) return ["it ends in a slash", `write ${scope.replace(/\/+$/, "")}`];
  if (scope.includes("*")) {
    const rest = scope.replace(/^\*\./, "");
    if (rest === scope) return ["a wildcard is *. in front of a domain", "write *.example.com"];
    if (rest.includes("*") || rest.includes("/"))
      return ["a wildcard stands for hosts alone", "write *. and a domain, nothing behind it"];
    if (rest.includes(":")) return ["wildcards are compared without the port", `write *.${rest.replace(/:.*$/, "")}`];
    return isDockerPrefix(rest) ? undefined : ["what follows the wildcard is no domain", "write *.example.com"];
  }
  const [host = "", ...rest] = scope.split("/");
  if (rest.length === 0 && !host.includes("@") && isHost(host)) {
    return host === "index.docker.io" ? ["Docker Hub is docker.io here", "write docker.io"] : undefined;
  }
  const lower = [host, rest.join("/").replace(/[^:@]*/, (name) => name.toLowerCase())].join("/");
  if (rest.length > 0 && lower !== scope) return ["repository names are lower case", `write ${lower}`];
  if (!isHost(host)) {
    const full = parseDockerReference(scope);
    return [
      "it names no registry",
      full === undefined ? "put the registry in front" : `write ${formatDockerReference(full)}`,
    ];
  }
  if (host === "index.docker.io") return ["Docker Hub is docker.io here", `write ${["docker.io", ...rest].join("/")}`];
  if (isDockerPrefix(scope)) return undefined;
  const reference = parseDockerReference(scope);
  if (reference === undefined)
    return ["it is no host, namespace, repository or image", "write HOST/NAMESPACE/REPOSITORY"];
  if (reference.tag !== undefined && reference.digest !== undefined) {
    return ["an image is asked for by tag or by digest", "leave one of the two out"];
  }
  const full = formatDockerReference(reference);
  return full === scope ? undefined : ["names are compared in full", `write ${full}`];
}

/** Whether the first part of a name is read as a registry (docker/reference, splitDockerDomain). */
function isHost(text: string): boolean {
  return isDockerPrefix(text) && (text === "localhost" || /[.:]/.test(text));
}
