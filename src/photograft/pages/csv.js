// A table of predictions as CSV that spreadsheets open rightly: Hangul whole, names never run as formulas.

const BYTE_ORDER_MARK = '\ufeff'; // without it Excel takes UTF-8 for the code page of the machine
const DIGITS = 6;
const FORMULA = /^['=+\-@\t\r\n＝＋－＠]/;

/** The text of the file: a row per photo. `rows` are {name, row}, as they stand in the table. */
export function toCsv(rows) {
  const heads = namesIn(rows.map((each) => each.row), 'heads');
  const parts = heads.length > 1
    ? heads.flatMap((name) => columnsOf(rows.map(({ row }) => (row.heads || {})[name] || { status: row.status }), `${name} `))
    : columnsOf(rows.map((each) => each.row), '');
  const columns = [['file', ...rows.map((each) => each.name)], ...parts, ['reason', ...rows.map((each) => each.row.reason)]];
  const lines = columns[0].map((_, i) => columns.map((column) => cell(column[i])).join(','));
  return `${BYTE_ORDER_MARK}${lines.join('\r\n')}\r\n`;
}

const namesIn = (rows, key) => [...new Set(rows.flatMap((row) => Object.keys(row[key] || {})))];

/** Columns, each with its title first, of what one head says of every photo. */
function columnsOf(rows, prefix) {
  const column = (title, value) => [prefix + title, ...rows.map(value)];
  const several = rows.some((row) => row.labels);
  return [
    column('status', (row) => row.status), column('label', (row) => row.label), column('probability', (row) => row.probability),
    ...(several ? [column('labels', (row) => (row.labels || []).map((each) => each.label).join('; '))] : []),
    ...namesIn(rows, 'factors').flatMap((name) => [
      column(name, (row) => row.factors?.[name]?.label), column(`${name} probability`, (row) => row.factors?.[name]?.probability),
    ]),
  ];
}

function cell(value) {
  if (value === null || value === undefined) return '';
  if (typeof value === 'number') return value.toFixed(DIGITS);
  const harmless = FORMULA.test(value) ? `'${value}` : value; // as in every table that photograft writes
  return /[",\r\n;\t]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
