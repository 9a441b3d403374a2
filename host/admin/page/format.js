// How numbers, instants and digests are written for people.

const whole = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const day = new Intl.DateTimeFormat('en-GB', { year: 'numeric', month: 'short', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit' });

// count writes a whole number with commas.
export const count = (n) => whole.format(n ?? 0);

// plural writes a number with its noun.
export const plural = (n, one, many = one + 's') => `${count(n)} ${n === 1 ? one : many}`;

// brief writes a number in few characters, for axes.
export function brief(n) {
	const size = Math.abs(n);
	for (const [unit, at] of [['G', 1e9], ['M', 1e6], ['k', 1e3]]) {
		if (size >= at) return trim(n / at) + unit;
	}
	return trim(n);
}

function trim(n) {
	const size = Math.abs(n);
	return String(Number(n.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2)));
}

// rate writes how many a second.
export const rate = (n) => (n === undefined ? '–' : (n > 0 && n < 10 ? n.toFixed(1) : count(n)) + '/s');

// span writes seconds in the unit that suits them.
export function span(s) {
	if (s === undefined || s === null || Number.isNaN(s)) return '–';
	if (s === 0) return '0 s';
	if (s < 1e-3) return trim(s * 1e6) + ' µs';
	if (s < 1) return trim(s * 1e3) + ' ms';
	if (s < 60) return trim(s) + ' s';
	if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
	if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
	return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

// spanBrief writes seconds in few characters, for axes.
export const spanBrief = (s) => (s < 60 ? span(s) : s < 3600 ? `${trim(s / 60)} min` : s < 86400 ? `${trim(s / 3600)} h` : `${trim(s / 86400)} d`);

// bytes writes a size in powers of 1,024.
export function bytes(n) {
	for (const [unit, at] of [['GiB', 2 ** 30], ['MiB', 2 ** 20], ['KiB', 2 ** 10]]) {
		if (n >= at) return `${trim(n / at)} ${unit}`;
	}
	return `${count(n)} B`;
}

// ms turns an instant in nanoseconds, a number or a BigInt, into milliseconds.
export const ms = (ns) => Number(ns) / 1e6;

// time writes an instant, ms, by the clock; whole days away with the date.
export function time(at) {
	return Math.abs(Date.now() - at) < 12 * 3600e3 ? clock.format(at) : day.format(at);
}

// full writes an instant, ms, with its date.
export const full = (at) => day.format(at);

// short is as much of a digest as people compare.
export const short = (digest) => (digest || '').slice(0, 12);
