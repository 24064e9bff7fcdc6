import { isDigest } from "../../model/digest.ts";

/**
 * Why containers/image refuses a scope, and with it the whole policy; undefined when it takes it. Scopes of registries it takes
 * whatever they are, those of transports that it does not know too; those of containers-storage are not held against anything here.
 */
export function faultOfScope(transport: string, scope: string): string | undefined {
  return scope === "" ? undefined : checks.get(transport)?.(scope);
}

const noScope = () => 'this transport has no scope but ""';

const checks: ReadonlyMap<string, (scope: string) => string | undefined> = new Map([
  ["dir", faultOfPath],
  ["oci", faultOfPath],
  ["oci-archive", faultOfPath],
  ["sif", faultOfPath],
  ["docker-archive", noScope],
  ["tarball", noScope],
  ["docker-daemon", (scope: string) => (isDigest(scope) ? "a digest is no scope here" : undefined)],
  ["atomic", faultOfStream],
]);

function faultOfStream(scope: string): string | undefined {
  const written = /^[^/]*(?:\/[^:/]*(?:\/[^:/]*(?::[^:/]*)?)?)?$/.test(scope);
  return written ? undefined : "the scope must be HOST/NAMESPACE/STREAM:TAG, or a beginning of it";
}

function faultOfPath(scope: string): string | undefined {
  if (!scope.startsWith("/")) return "the scope must be an absolute path";
  if (scope === "/") return 'the scope "/" is written ""';
  const parts = scope.slice(1).split("/");
  if (parts.every((part) => part !== "" && part !== "." && part !== "..")) return undefined;
  return 'the scope must be a path without "//", "." and "..", and without a slash at its end';
}
