/** The middle value, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length / 2;
  const [below, above] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  if (below === undefined || above === undefined) throw new Error("nothing was measured");
  return (below + above) / 2;
}

/** Runs each of `works` in turn, `times` over, so that what disturbs the machine disturbs all of them; medians of their results. */
export async function alternate(times: number, works: readonly (() => Promise<number>)[]): Promise<readonly number[]> {
  const results = works.map((): number[] => []);
  for (let turn = 0; turn < times; turn += 1) {
    for (const [index, work] of works.entries()) results[index]?.push(await work());
  }
  return results.map(median);
}
