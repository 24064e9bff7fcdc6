import { BaseSequencer, type TestSpecification } from "vitest/node";

/** What takes longest, longest first. */
const LONGEST = [
  "test/interop/promote.test.ts",
  "test/interop/notation-both-ways.test.ts",
  "test/interop/external-signer.test.ts",
  "test/interop/cosign-both-ways.test.ts",
  "test/interop/cosign-differences.test.ts",
  "test/interop/cosign-itself.test.ts",
  "test/interop/cosign-together.test.ts",
  "test/interop/time-stamps.test.ts",
  "test/gitlab/program.test.ts",
  "test/cli/promote.test.ts",
];

/** A long file that starts last is waited for by idle workers: known long ones start first, then all others that run real programs. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const known = LONGEST.findIndex((name) => moduleId.endsWith(`/${name}`));
      if (known >= 0) return known;
      return moduleId.includes("/test/interop/") ? LONGEST.length : LONGEST.length + 1;
    };
    return (await super.sort(files)).sort((one, other) => rank(one) - rank(other));
  }
}
