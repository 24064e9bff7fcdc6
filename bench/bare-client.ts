import { connect } from "node:net";

/**
 * Sends `GET` for each path over `connections` kept connections, one after another on each, and does nothing with the answers but
 * find their ends. Resolves to the milliseconds that took: what a registry needs to answer, whoever asks.
 */
export async function askBarely(host: string, paths: readonly string[], connections: number): Promise<number> {
  const queue = paths.values();
  const start = performance.now();
  await Promise.all(Array.from({ length: connections }, () => askInTurn(host, queue)));
  return performance.now() - start;
}

const ACCEPT = [
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
].join(", ");

function askInTurn(host: string, queue: Iterator<string>): Promise<void> {
  const [name = "", port = ""] = host.split(":");
  return new Promise((resolve, reject) => {
    const socket = connect({ host: name, port: Number(port), noDelay: true });
    let received = "";
    const ask = () => {
      const next = queue.next();
      if (next.done) {
        socket.destroy();
        return resolve();
      }
      socket.write(`GET ${next.value} HTTP/1.1\r\nhost: ${host}\r\naccept: ${ACCEPT}\r\n\r\n`);
    };
    socket.once("connect", ask);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error(`${host} closed a connection`)));
    socket.on("data", (chunk: Buffer) => {
      received += chunk.toString("latin1");
      const end = received.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = /\r\ncontent-length: (\d+)/i.exec(received.slice(0, end))?.[1];
      if (length === undefined) return void socket.destroy(new Error("an answer without Content-Length"));
      if (received.length < end + 4 + Number(length)) return;
      received = "";
      ask();
    });
  });
}
