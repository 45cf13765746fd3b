// A table of predictions as CSV that spreadsheets open rightly: Hangul whole, names never run as formulas.

const BYTE_ORDER_MARK = '\ufeff'; // without it Excel takes UTF-8 for the code page of the machine
const FORMULA = /^['=+\-@\t\r\n＝＋－＠]/;

/** The text of the file: a row per photo, numbers in full. `rows` are {name, row}, as they stand in the table. */
export function toCsv(rows) {
  const { factors, heads, several } = columnsOf(rows.map((each) => each.row));
  const header = ['file', 'status', 'label', 'probability', ...(several ? ['labels'] : []),
    ...factors.flatMap((name) => [name, `${name} probability`]),
    ...heads.flatMap((name) => [`${name} status`, `${name} label`, `${name} probability`]), 'reason'];
  const lines = rows.map(({ name, row }) => [name, row.status, row.label, row.probability,
    ...(several ? [(row.labels || []).map((each) => each.label).join('; ')] : []),
    ...factors.flatMap((each) => pair((row.factors || {})[each])),
    ...heads.flatMap((each) => triple((row.heads || {})[each])), row.reason]);
  return BYTE_ORDER_MARK + [header, ...lines].map((line) => line.map(cell).join(',')).join('\r\n') + '\r\n';
}

function columnsOf(rows) {
  const names = (key) => [...new Set(rows.flatMap((row) => Object.keys(row[key] || {})))];
  const heads = names('heads');
  return { factors: names('factors'), heads: heads.length > 1 ? heads : [], several: rows.some((row) => row.labels) };
}

const pair = (each) => (each ? [each.label, each.probability] : ['', '']);
const triple = (each) => (each ? [each.status, each.label, each.probability] : ['', '', '']);

function cell(value) {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return String(value);
  const harmless = FORMULA.test(value) ? `'${value}` : value; // as in every table that photograft writes
  return /[",\r\n;\t]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
