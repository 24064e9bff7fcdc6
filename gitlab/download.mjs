// Gets what a job of the GitLab templates needs, by HTTP. The templates carry this file word for word.
import { setTimeout as sleep } from "node:timers/promises";
import { Stop, show } from "./stop.mjs";

const LIMITS = { bytes: 32 * 1024 * 1024, redirects: 5, attempts: 4, wait: 60_000 };

/**
 * GET with a limit on size, time, redirects and attempts. The job's token goes to this instance's own API and nowhere else: not
 * along a redirect to storage elsewhere. Where the token is refused what is public is still asked for without it.
 */
export async function download(url, env, mend) {
  const ours = env.CI_API_V4_URL && env.CI_JOB_TOKEN && url.startsWith(`${env.CI_API_V4_URL}/`);
  let answer = await request(url, ours ? { "JOB-TOKEN": env.CI_JOB_TOKEN } : {});
  if (ours && [401, 403, 404].includes(answer.status)) answer = await request(url, {});
  if (answer.status === 200) return answer.body;
  const sentence = `${show(url)} answers ${answer.status}`;
  if (answer.status === 429 || answer.status >= 500) throw new Stop("E_NETWORK", 3, sentence, "try again");
  throw new Stop("E_FILE_UNREADABLE", 2, sentence, mend);
}

async function request(url, headers) {
  for (let attempt = 1; ; attempt += 1) {
    let answer;
    try {
      answer = await follow(url, headers);
    } catch (error) {
      if (error instanceof Stop) throw error;
      if (attempt >= LIMITS.attempts) {
        const why = error?.cause?.code ?? error?.name ?? "no answer";
        throw new Stop(
          "E_NETWORK",
          3,
          `${show(url)} cannot be reached: ${why}`,
          "try again; check proxy, DNS and certificates",
        );
      }
    }
    if (answer && (attempt >= LIMITS.attempts || (answer.status !== 429 && answer.status < 500))) return answer;
    await sleep(250 * 2 ** attempt * (0.5 + Math.random()));
  }
}

async function follow(start, given) {
  let [url, headers] = [new URL(start), given];
  for (let hop = 0; hop <= LIMITS.redirects; hop += 1) {
    const response = await fetch(url, { headers, redirect: "manual", signal: AbortSignal.timeout(LIMITS.wait) });
    const location = response.headers.get("location");
    if (response.status < 300 || response.status > 399 || location === null) {
      return { status: response.status, body: await readBody(response, start) };
    }
    const next = new URL(location, url);
    if (next.origin !== url.origin) headers = {};
    if (next.protocol !== "https:" && next.protocol !== url.protocol) break;
    url = next;
  }
  throw new Stop(
    "E_NETWORK",
    3,
    `${show(start)} redirects without end, or away from HTTPS`,
    "name the file's own address",
  );
}

async function readBody(response, url) {
  const chunks = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > LIMITS.bytes)
      throw new Stop("E_FILE_TOO_LARGE", 2, `${show(url)} is larger than ${LIMITS.bytes} bytes`, "check the address");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
