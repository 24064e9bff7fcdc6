import { requirePeer } from "./peers.ts";
import { run } from "./run.ts";

/** What the peer image-policy is asked: containers/image's own judgement of an image by a policy, or of the policy alone. */
export interface Question {
  readonly policy: string;
  /** `docker://HOST/NAME:TAG`; absent: only whether the policy is taken. */
  readonly image?: string;
  readonly registriesD?: string;
  /** A manifest of an index. */
  readonly instance?: string;
}

export interface Answer {
  readonly parsed: boolean;
  readonly allowed: boolean;
  readonly error?: string;
}

/** All answers, in the order of the questions. Not in lock step: the registry asked about may be of this process. */
export async function askImagePolicy(questions: readonly Question[]): Promise<readonly Answer[]> {
  const stdin = questions
    .map(({ policy, image, registriesD, instance }) => `${JSON.stringify({ policy, image, registriesD, instance })}\n`)
    .join("");
  const { exitCode, stdout, stderr } = await run(requirePeer("image-policy"), [], {
    env: { HOME: "/nonexistent" },
    stdin,
  });
  if (exitCode !== 0) throw new Error(`image-policy ended with ${exitCode}: ${stderr}`);
  const answers = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Answer);
  if (answers.length !== questions.length) throw new Error(`image-policy gave ${answers.length} answers: ${stderr}`);
  return answers;
}
