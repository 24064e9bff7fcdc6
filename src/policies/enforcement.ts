import { type Authority, VALIDATIONS, type Validation } from "../model/policy.ts";
import type { Reason } from "../model/signature.ts";

/** What is left of the objections to a signature once an authority's enforcement is asked. */
export interface Weighed {
  /** Those that count. */
  readonly objections: readonly Reason[];
  /** Every validation with what became of it; absent where the authority knows none. */
  readonly validations?: readonly Validation[] | undefined;
}

/** Sorts objections into the validations of a policy. Where there is none, every objection counts. */
export function weigh({ enforcement }: Authority, objections: readonly Reason[]): Weighed {
  if (enforcement === undefined) return { objections };
  const { actions, validationOf } = enforcement;
  const foreign = objections.find(({ code }) => code === "E_FORMAT_UNSUPPORTED");
  if (foreign !== undefined) {
    // A signature that the policy does not speak of is not held against it: nothing of it has passed.
    const unseen = VALIDATIONS.map(
      (name): Validation => ({ name, action: actions[name], result: "skipped", reasons: [foreign] }),
    );
    return { objections: [foreign], validations: unseen };
  }
  const validations = VALIDATIONS.map((name): Validation => {
    const reasons = objections.filter((reason) => validationOf(reason) === name);
    const action = actions[name];
    if (action === "skip") return { name, action, result: "skipped", reasons: [] };
    return { name, action, result: reasons.length === 0 ? "passed" : "failed", reasons };
  });
  return { objections: objections.filter((reason) => actions[validationOf(reason)] === "enforce"), validations };
}
