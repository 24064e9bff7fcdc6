import { CountersignError, isCountersignError } from "../model/errors.ts";

/** Node's codes for a connection that may work at the next try; names not found and refused routes do not. */
const PASSING = new Set([
  "ECONNRESET",
  "ECONNREFUSED",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENETDOWN",
  "ERR_STREAM_PREMATURE_CLOSE",
]);

/** OpenSSL's verification results, as Node spells them in `error.code`. */
const CERTIFICATE =
  /^(?:UNABLE_TO_|CERT_|CRL_|SELF_SIGNED_|DEPTH_ZERO_|INVALID_CA|INVALID_PURPOSE|HOSTNAME_MISMATCH|PATH_LENGTH_|ERROR_IN_CERT_)/;
const PROTOCOL = /^(?:EPROTO|ERR_SSL_|ERR_TLS_|ERR_OSSL_)/;

/**
 * What went wrong on the way to `host`, as an error of ours. Names the host and the cause's code, never a path, query or header.
 *
 * @returns E_TLS, or E_NETWORK whose `retry` tells whether the fault is a passing one.
 */
export function networkFault(error: unknown, host: string): CountersignError {
  if (isCountersignError(error)) return error;
  const code = causeCode(error);
  if (CERTIFICATE.test(code) || PROTOCOL.test(code)) return tlsFault(error, code, host);
  if (code.startsWith("HPE_")) {
    return new CountersignError("E_NETWORK", `${host} answered with something that is not HTTP (${code})`, {
      cause: error,
      retry: false,
      hint: "check the host and port, and whether a proxy stands between",
    });
  }
  return new CountersignError("E_NETWORK", `cannot talk to ${host}: ${code}`, {
    cause: error,
    retry: PASSING.has(code),
    hint:
      code === "ENOTFOUND"
        ? "check the spelling of the host name"
        : "check the network, the port and the proxy variables",
  });
}

function tlsFault(error: unknown, code: string, host: string): CountersignError {
  return new CountersignError("E_TLS", `no trusted TLS connection to ${host}: ${code}`, {
    cause: error,
    hint: tlsHint(code),
  });
}

function tlsHint(code: string): string {
  if (code === "CERT_HAS_EXPIRED") return "renew the server's certificate, or check this machine's clock";
  if (code === "CERT_NOT_YET_VALID") return "check this machine's clock";
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") return "write the host by a name that its certificate lists";
  if (CERTIFICATE.test(code)) return "name the issuing CA with --registry-cacert FILE";
  if (code.includes("CERTIFICATE_REQUIRED") || code.includes("HANDSHAKE_FAILURE") || code.includes("UNKNOWN_CA")) {
    return "the server may want a client certificate: --registry-client-cert and --registry-client-key";
  }
  return "check whether the server speaks TLS on this port; for plain HTTP add --allow-http-registry";
}

/** The code of an error, or of the first of several addresses tried (RFC 8305), or its class's name. */
export function causeCode(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return causeCode(error.errors[0]);
  if (!(error instanceof Error)) return "unknown fault";
  if ("code" in error && typeof error.code === "string") return error.code;
  return error.cause instanceof Error ? causeCode(error.cause) : error.name;
}
