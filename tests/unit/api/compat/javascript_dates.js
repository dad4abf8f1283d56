// Says what V8 makes of date strings.
//
//   node javascript_dates.js > javascript_dates.json             the corpus that the tests compare with
//   node javascript_dates.js - < [[zone, [value, …]], …]          the same for values of one's own
//
// Out comes {"v8": version, "zones": {zone: [[value, milliseconds or null], …]}}.

const fs = require("node:fs");

// Each of a kind that the grammar treats in its own way.
const ZONELESS = `
2024-06-13T12:00
2024-06-13T12:00:00
2024-06-13T12:00:00.123
2024-06-13T24:00
2024-06-13 12:00
2024-06-13 12:00:00.5
2024-06-13 12:00 PM
2024/06/13
2024/6/13 7:05
2024.06.13
2024 06 13
2024-6-13
2024-6-3 1:2:3
20240613
June 13, 2024 12:00:00
June 13, 2024
Jun 13 2024
june 13
13 June
June 2024
2024 June
2024 13 June
2024 June 13
13 Jun 2024
13-Jun-2024
13-Jun-24
Jun-13-2024
Junimond 13 2024
Thu, 13 Jun 2024 12:00:00
Thu Jun 13 2024
Thursday, June 13, 2024 at 1:00 PM
Thursday June 13 2024 1:00 pm
6/13/2024
06/13/2024 23:59
6/13/24
6/13
13/6/2024
31/12/99
1/1/49
1/1/50
1/1/00
1/1/100
1/1/0099
1/1/275760
12:00 PM
June 13 2024 12:00 AM
June 13 2024 12:00 PM
June 13 2024 1:30 am
June 13 2024 13:30 pm
June 13 2024 0:30 PM
June 13 2024 PM
PM June 13 2024
June 13 2024 12:00PM
June 13 2024 12PM
June 13 2024 12:00:00.1
June 13 2024 12:00:00.12
June 13 2024 12:00:00.1239
June 13 2024 12:00:00.1234567890123
June 13 2024 12:00.5
June 13 2024 12:00:00.
June 13 2024 12:00:00:500
June 13 2024 12:00:00:500.7
June 13 2024 12:00:00:500:1
June 13 2024 12::30
June 13 2024 12:
June 13 2024 12:.30
June 13 2024 24:00
June 13 2024 24:01
June 13 2024 12:60
June 13 2024 12:00:60
June 13 2024 25:00
June 13 2024 12:00,
June 13 2024 12:00x
June 13 (a comment) 2024
June 13 (a (nested) comment) 2024
June 13 2024 (never closed
(June 13 2024)
June 13 2024)
) June 13 2024
June 13 + 2024
- June 13 2024
June 13 -2024
June 13 2024 foo
foo June 13 2024
foo13 June 2024
13foo June 2024
foo 13 2024 June
Feb 30 2024
Feb 29 2023
Feb 31 2024
June 31 2024
June 32 2024
June 0 2024
0 June 2024
0
1
12
13
31
32
49
50
99
100
999
1000
9999
10000
99999
275760
275761
1718280000
1718280000000
12 13
1 2 3
1 2 3 4
2024 1 2 3
2024:30 Jan 5
2024-13-01
2024-00-01
2024-06-32
2024-06-00
2024-06-13T
2024-06-13T12
2024-06-13T12:0
2024-06-13T12:00:00.
2024-06-13T25:00
2024-06-13T12:60
2024-06-13T24:01
2024-06-13T24:00:00.001
2024-06-13T24:00:00.000
2024-06-13t12:00
2024-06-13T12:00:00,123
2024-06-13TT12:00
2024-06-13T12:00 foo
2024-06-13 T 12:00
 2024-06-13
 2024-06-13T12:00
2024-06-13 
2024-02-30T12:00
2024-04-31T00:00
0000-01-01T00:00
0099-01-01T00:00
-271821-04-20T00:00
+275760-09-13T00:00
+275760-09-13T00:01
+002024-06-13 12:00
-002024-06-13 12:00
-000000-06-13 12:00
+02024-06-13T12:00
tomorrow
now

 
,
T
T12:00
Z
()
12:00
noon
null
undefined
Invalid Date
[object Object]
2024-06-13\u00a012:00
\u00a02024-06-13
13 Jüni 2024
13. Juni 2024
13 JUNE 2024
13 \u017fep 2024
13 \uff2aun 2024
2024年6月13日
Jun\u000013
2024-06-13\u0000foo
June\t13\n2024\r12:00
June\u000b13\u000c2024
June 13 2024 12:00\u00a0
1e3
1.5
1.5.2024
13.6.2024
2024-W24-4
2024-165
2024-06-13-12:00
June 13 2024 12.30
-1
+1
-1 January
12:00 2024-06-13
12:00 6/13/2024
12:00 13 June 2024
2024-06
2024-06 12:00
2024 12:00
`.split("\n").slice(1, -1).map((line) => line.replace(/\\u([0-9a-f]{4})|\\([tnr])/g, (_, hex, c) =>
  hex ? String.fromCharCode(parseInt(hex, 16)) : { t: "\t", n: "\n", r: "\r" }[c]));

const ZONED = `
2024
2024-06
2024-06-13
0000
0000-01-01
0001-01-01
-000001-01-01
-000000-01-01
+000000-01-01
+002024-06-13
+275760-09-13
+275760-09-14
-271821-04-20
-271821-04-19
+999999-01-01
-999999-01-01
9999-12-31T23:59:59.999Z
+010000-01-01T00:00Z
2024-02-30
2024-06-13T12:00Z
2024-06-13T12:00z
2024-06-13t12:00z
2024-06-13T12:00:00Z
2024-06-13T12:00:00.1Z
2024-06-13T12:00:00.123456789012Z
2024-06-13T12:00:00.0009Z
2024-06-13T24:00Z
2024-06-13T12:00+02:00
2024-06-13T12:00-02:30
2024-06-13T12:00+0200
2024-06-13T12:00+02
2024-06-13T12:00+2:00
2024-06-13T12:00+24:00
2024-06-13T12:00+2400
2024-06-13T12:00+0260
2024-06-13T12:00+02:60
2024-06-13T12:00ZZ
2024-06-13T12:00 Z
2024-06-13T12:00Z 
2024-06-13T12:00UTC
2024-06-13 12:00Z
2024-06-13 12:00 Z
2024-06-13 12:00z
2024-06-13 12:00 UTC
2024-06-13 12:00:00+00
2024-06-13 12:00:00+02:30
2024-06-13 12:00:00.123456+0230
2024-06-13 UTC
2024-06-13Z
2024-06-13 Z+2
Thu, 13 Jun 2024 12:00:00 GMT
Thu Jun 13 2024 12:00:00 GMT+0200 (Central European Summer Time)
Thu Jun 13 2024 12:00:00 GMT-8
Thu Jun 13 2024 12:00:00 GMT-08
Thu Jun 13 2024 12:00:00 GMT-830
Thu Jun 13 2024 12:00:00 GMT-12345
Thu Jun 13 2024 12:00:00 GMT+
Thu Jun 13 2024 12:00:00 GMT+2:30
Thu Jun 13 2024 12:00:00 GMT+2:
Thu Jun 13 2024 12:00:00 GMT+2: 30
Thu Jun 13 2024 12:00:00 GMT+99:99
Thu Jun 13 2024 12:00:00 GMT+9999
Thu Jun 13 2024 12:00:00 GMT+200000000:00
Thu Jun 13 2024 12:00:00 GMT+99999999999:00
Thu Jun 13 2024 12:00:00 +2 -3
June 13 2024 12:00 EST
June 13 2024 12:00 EDT
June 13 2024 12:00 CST
June 13 2024 12:00 CDT
June 13 2024 12:00 MST
June 13 2024 12:00 MDT
June 13 2024 12:00 PST
June 13 2024 12:00 pdt
June 13 2024 12:00 UT
June 13 2024 12:00 CET
June 13 2024 12:00 ESTX
June 13 2024 12:00 EST+2
June 13 2024 12:00 Z+0200
June 13 2024 Z+0200
June 13 2024 +0200
June 13 2024 UTC+1
EST June 13 2024
UTC+1 June 13 2024
June 13 2024 12:00 +0200 PM
June 13 2024 12:00 PM -0700
June 13 2024 12:00 PM PST
1 Z
31 Dec 1899 23:59 GMT
0 Z
`.split("\n").slice(1, -1);

// Around changes of clocks, and where zones had odd offsets.
const MOMENTS = `
2024-03-10T01:59
2024-03-10T02:00
2024-03-10T02:30
2024-03-10T03:00
2024-03-31T02:30
2024-11-03T00:59
2024-11-03T01:00
2024-11-03T01:30
2024-11-03T02:00
2024-04-07T01:45
2024-10-06T02:15
2011-12-30T12:00
2011-12-29T23:59
2011-12-31T00:00
1972-01-07T00:20
1970-01-01T00:00
1969-12-31T23:59
1900-01-01T00:00
1800-01-01T00:00
0001-01-01T00:00
9999-12-31T23:59
2100-07-01T12:00
+100000-07-01T12:00
+275760-09-13T00:00
+275760-09-13T05:00
-271821-04-19T23:00
-271821-04-20T05:00
June 13 2024
12/25/95 17:30
`.split("\n").slice(1, -1);

const ZONES = ["America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Monrovia"];

const NUMBERS = [0, -0.5, 1.9, -1.9, 1718280000000, 8640000000000000, 8640000000000001, -8640000000000000, -8640000000000001,
  8.64e15 + 0.4, 1e300, 253402300800000, -62135596800001];
const OTHERS = [null, true, false, {}, { time: 1 }, [], [[]], [1718280000000], [2024, 6, 13], [[2024, 6], 13], ["2024-06-13"],
  ["2024-06-13", "12:00"], [null, 5], [true, 5], ["June", 13.5], [{}, 5]];

function milliseconds(value) {
  const time = new Date(value).getTime();
  return Number.isNaN(time) ? null : time;
}

function inZone(zone, values) {
  process.env.TZ = zone;
  return [zone, values.map((value) => [value, milliseconds(value)])];
}

const wanted = process.argv[2] === "-"
  ? JSON.parse(fs.readFileSync(0, "utf8"))
  : [["UTC", [...NUMBERS, ...OTHERS, ...ZONELESS, ...ZONED]], ...ZONES.map((zone) => [zone, MOMENTS])];
const zones = wanted.map(([zone, values]) => inZone(zone, values));

const rows = ([zone, answers]) =>
  `${JSON.stringify(zone)}: [\n${answers.map((answer) => JSON.stringify(answer)).join(",\n")}\n]`;
process.stdout.write(`{"v8": ${JSON.stringify(process.versions.v8)}, "zones": {\n${zones.map(rows).join(",\n")}\n}}\n`);
