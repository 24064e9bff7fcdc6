/** The value of a key, made at its first use. Promises are kept as they are, so that concurrent callers share one piece of work. */
export function memo<Key, Value>(values: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = values.get(key);
  if (known !== undefined) return known;
  const made = make();
  values.set(key, made);
  return made;
}

/** As `memo`, for work that may fail: a failure is told to everybody who waits for it and then forgotten. */
export function memoUnlessFailed<Key, Value>(
  values: Map<Key, Promise<Value>>,
  key: Key,
  make: () => Promise<Value>,
): Promise<Value> {
  return memo(values, key, () => {
    const made = make();
    made.catch(() => {
      if (values.get(key) === made) values.delete(key);
    });
    return made;
  });
}
