// What Python has and JavaScript has not, for the functions that write/javascript.py translates. A list and a
// tuple are both an array, a dict is a Map, None is null, and an id is the object itself.

const py = (() => {
  class NamedTuple {
    *[Symbol.iterator]() {
      for (const name of this.constructor.fields) yield this[name];
    }
  }
  class InputError extends Error {
    constructor(problem, nextStep) {
      super(`${problem} ${nextStep}`);
      Object.assign(this, { problem, next_step: nextStep });
    }
  }
  const isText = (of) => typeof of === "string";
  const iter = (of) => (of instanceof Map ? of.keys() : of);
  const list = (of = []) => (Array.isArray(of) ? of.slice() : [...iter(of)]);
  const seen = (of = []) => { // to be read, not kept
    if (Array.isArray(of)) return of;
    return of instanceof NamedTuple ? of.constructor.fields.map((name) => of[name]) : [...iter(of)];
  };
  const truth = (value) => {
    if (typeof value !== "object") return Boolean(value); // nearly always
    if (Array.isArray(value)) return value.length > 0;
    return value instanceof Map || value instanceof Set ? value.size > 0 : Boolean(value);
  };
  const isTuple = (of) => Array.isArray(of) || of instanceof NamedTuple;
  const eq = (one, other) => {
    if (one === other) return true;
    if (!(one instanceof Object && other instanceof Object)) return (one ?? null) === (other ?? null);
    if (isTuple(one) && isTuple(other)) {
      const [mine, theirs] = [seen(one), seen(other)];
      return mine.length === theirs.length && mine.every((each, place) => eq(each, theirs[place]));
    }
    const { fields, isIdentity } = one.constructor;
    return one.constructor === other.constructor && !isIdentity && Boolean(fields)
      && fields.every((name) => eq(one[name], other[name]));
  };
  const place = (of, index) => (index < 0 ? of.length + index : index);
  const found = (value, what) => {
    if (value === undefined) throw new Error(`nothing at ${String(what)}`);
    return value;
  };
  const pairs = (of) => (of instanceof Map ? [...of] : list(of));
  const best = (isBetter) => (...given) => {
    const { key = (each) => each, default: none } = given.at(-1)?.isOptions ? given.pop() : {};
    const of = given.length > 1 ? given : seen(given[0]);
    if (!of.length) return found(none, "all of nothing");
    let [most, measure] = [of[0], key(of[0])];
    for (const each of of) if (isBetter(key(each), measure)) [most, measure] = [each, key(each)];
    return most;
  };
  // methods of Python's own kinds, and of classes of ours that have some of the same name
  const methods = {
    append: (of, value) => { of.push(value); },
    extend: (of, values) => { for (const each of iter(values)) of.push(each); },
    index: (of, value) => (Array.isArray(of) ? of.findIndex((each) => eq(each, value)) : of.index(value)),
    pop: (of, at, none) => {
      if (Array.isArray(of)) return at === undefined ? of.pop() : of.splice(place(of, at), 1)[0];
      const value = of.get(at) ?? none;
      of.delete(at);
      return found(value, at);
    },
    clear: (of) => of.clear(),
    get: (of, key, none = null) => of.get(key) ?? none,
    items: (of) => (of instanceof Map ? [...of] : of.items()),
    keys: (of) => [...of.keys()],
    setdefault: (of, key, value) => {
      if (!of.has(key)) of.set(key, value);
      return of.get(key);
    },
    values: (of, ...given) => (of instanceof Map ? [...of.values()] : of.values(...given)),
    isdigit: (of) => /^\d+$/.test(of),
    join: (of, parts) => seen(parts).join(of),
    partition: (of, mark) => {
      const at = of.indexOf(mark);
      return at < 0 ? [of, "", ""] : [of.slice(0, at), mark, of.slice(at + mark.length)];
    },
    removeprefix: (of, start) => (of.startsWith(start) ? of.slice(start.length) : of),
    startswith: (of, start) => (Array.isArray(start) ? start.some((each) => of.startsWith(each)) : of.startsWith(start)),
    endswith: (of, end) => of.endsWith(end),
  };
  return {
    NamedTuple, InputError, iter, list, seen, truth, eq,
    tuple: list,
    dict: (of = []) => new Map(pairs(of)),
    fromkeys: (of, value = null) => {
      const found = new Map();
      for (const each of iter(of)) found.set(each, value);
      return found;
    },
    get: (of, at) => found(of instanceof Map ? of.get(at) : seen(of)[place(of, at)], at),
    put: (of, at, value) => {
      if (of instanceof Map) of.set(at, value);
      else of[place(of, at)] = value;
    },
    slice: (of, start, stop, step) => {
      const cut = (isText(of) ? of : seen(of)).slice(start ?? 0, stop ?? undefined);
      return step === -1 ? cut.reverse() : step ? cut.filter((_, number) => number % step === 0) : cut;
    },
    has: (of, value) => {
      if (of instanceof Map || of instanceof Set) return of.has(value);
      if (isText(of)) return of.includes(value);
      return isText(value) ? seen(of).includes(value) : seen(of).some((each) => eq(each, value));
    },
    add: (one, other) => (typeof one === "number" || !(one instanceof Object) ? one + other : [...one, ...other]),
    mul: (one, other) => {
      if (typeof one === "number" && typeof other === "number") return one * other; // nearly always
      const [of, count] = one instanceof Object || isText(one) ? [one, other] : [other, one];
      if (isText(of)) return of.repeat(count);
      if (!(of instanceof Object)) return of * count;
      const found = [];
      for (let times = 0; times < count; times += 1) found.push(...of);
      return found;
    },
    floor: (number, divisor) => Math.floor(number / divisor),
    modulo: (number, divisor) => number - divisor * Math.floor(number / divisor),
    grouped: (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ","),
    padded: (number, digits) => String(number).padStart(digits, "0"),
    of: methods,
    is: (value, kind) => {
      if (kind === "int") return Number.isInteger(value) || typeof value === "boolean";
      return kind === "str" ? isText(value) : value instanceof kind;
    },
    replace: (of, changes) => Object.assign(Object.create(Object.getPrototypeOf(of)), of, changes),
    options: (given) => ({ ...given, isOptions: true }),
    missing: (name) => { throw new Error(`nothing here has ${name}`); },
    /** A function that is asked for the same again and again: of these very arguments it need not work twice. */
    remembered: (make) => {
      let [known, made] = [null, null];
      return (...given) => {
        const isKnown = known?.length === given.length && given.every((each, at) => each === known[at]);
        if (!isKnown) [made, known] = [make(...given), given];
        return made;
      };
    },
    lazy: (make) => {
      let made;
      return () => { made ??= make(); return made; };
    },
    eager: (work) => list(work()),
    abs: Math.abs,
    accumulate: (of, initial) => {
      const found = [initial];
      for (const each of iter(of)) found.push(found.at(-1) + each);
      return found;
    },
    all: (of) => seen(of).every(truth),
    bool: truth,
    any: (of) => seen(of).some(truth),
    chain: (...of) => of.flatMap(seen),
    from_iterable: (of) => {
      const found = [];
      for (const each of iter(of)) for (const one of iter(each)) found.push(one);
      return found;
    },
    enumerate: (of, start = 0) => seen(of).map((each, number) => [start + number, each]),
    filter: (test, of) => seen(of).filter((each) => truth(test ? test(each) : each)),
    groupby: (of, key) => seen(of).reduce((groups, each) => {
      const named = key(each);
      if (groups.length && eq(groups.at(-1)[0], named)) groups.at(-1)[1].push(each);
      else groups.push([named, [each]]);
      return groups;
    }, []),
    int: Number,
    len: (of) => of.length ?? of.size,
    map: (make, ...of) => {
      const [first, ...others] = of.map(seen);
      return first.map((each, number) => make(each, ...others.map((other) => other[number])));
    },
    max: best((one, other) => one > other),
    min: best((one, other) => one < other),
    next: (of, ...none) => {
      const [first = found(none[0], "the end")] = iter(of);
      return first;
    },
    pairwise: (of) => {
      const all = seen(of);
      return all.slice(1).map((each, number) => [all[number], each]);
    },
    partial: (of, ...first) => (...rest) => of(...first, ...rest),
    prod: (of) => {
      let product = 1;
      for (const each of seen(of)) product *= each;
      return product;
    },
    range: (...of) => {
      const [start, stop, step = 1] = of.length > 1 ? of : [0, of[0]];
      return Array.from({ length: Math.max(0, Math.ceil((stop - start) / step)) }, (_, number) => start + step * number);
    },
    reversed: (of) => list(of).reverse(),
    set: (of = []) => new Set(iter(of)),
    sorted: (of, { key = (each) => each } = {}) => list(of).sort((one, other) => {
      const [mine, theirs] = [key(one), key(other)];
      const at = Array.isArray(mine) ? mine.findIndex((each, number) => !eq(each, theirs[number])) : -1;
      const [left, right] = at < 0 ? [mine, theirs] : [mine[at], theirs[at]];
      return left < right ? -1 : left > right ? 1 : 0;
    }),
    str: String,
    sum: (of) => {
      let total = 0;
      for (const each of seen(of)) total += each;
      return total;
    },
    zip: (...of) => {
      const lists = of.map(seen);
      const shortest = lists.reduce((least, { length }) => Math.min(least, length), lists[0]?.length ?? 0);
      const found = [];
      for (let number = 0; number < shortest; number += 1) found.push(lists.map((each) => each[number]));
      return found;
    },
  };
})();
