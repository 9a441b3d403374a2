// What several sections show: the host's status and its samples, with what follows from them.
import { computed, signal } from './html.js';
import { asksDatabase, everySecond, useFeed } from './feed.js';
import { ms } from './format.js';
import { get, reads } from './host.js';

const kept = 6; // statuses, one a second: rates are over five seconds

const statuses = signal([]);

// status is the latest, undefined before one.
export const status = computed(() => statuses.value.at(-1)?.status);

// installs says whether a status has stations and figures of its own: a host that stands by has not, nor one that has not
// begun, and their zeros mean nothing.
export const installs = (s) => s.phase !== 'standby' && (s.phase === 'running' || s.snapshot > 0 || s.next > 0);

// useStatus asks for the status each second. Without a role the host says whether it is ready, and no more.
export function useStatus() {
	return useFeed(reads.value ? 'v1/status' : 'readyz', everySecond, async (path) => {
		const answer = await get(path);
		const is = path === 'readyz' ? { readiness: answer } : answer;
		statuses.value = [...statuses.peek().slice(1 - kept), { at: performance.now(), status: is }];
		return is;
	});
}

// rateOf returns how many a second something grew by, undefined while that is not known. Count reads it from a status.
export function rateOf(read) {
	const all = statuses.value.filter((s) => s.status.counts && s.status.phase === status.value.phase); // another phase counts from elsewhere
	if (all.length < 2) return undefined;
	const [from, until] = [all[0], all.at(-1)];
	const grown = read(until.status) - read(from.status);
	return grown < 0 ? undefined : (grown * 1000) / (until.at - from.at); // less only in a session that began since
}

const samplesKept = 900;

// useSamples asks for the samples: all at first, then each second those that are new.
export function useSamples() {
	return useFeed(reads.value ? 'v1/samples' : '', everySecond, async (path, before = []) => {
		const last = before.at(-1);
		const { samples } = await get(last ? `${path}?after_ns=${last.at_ns}` : path);
		return [...before, ...samples].slice(-samplesKept);
	});
}

// known says whether a sample is of a host that had the cohort: one that stands by, or has not begun, measures nothing.
export const known = (s) => s.log_end > 0;

// behind returns how many positions of the log a sample, or a status like one, was behind its end.
export const behind = (s) => (s.suffix + s.queue === 0 && s.next >= s.log_end ? 0 : Math.max(0, s.log_end - 1 - s.snapshot));

const rateOver = 10; // samples

const keepsUp = 2; // seconds of work; a host that has no more is at the end as far as people care

// timeToEnd returns after how many seconds a sample's host is at the end of the log, at the rate of the seconds before:
// that at which it came nearer, or where little is left that at which it goes on. Infinity while it does neither.
export function timeToEnd(samples, at = samples.length - 1) {
	const now = samples[at];
	const from = samples.slice(Math.max(0, at - rateOver), at + 1).find(known);
	if (!now || behind(now) === 0) return 0;
	const seconds = (ms(now.at_ns) - ms(from.at_ns)) / 1e3;
	const left = (behind(now) * seconds) / (now.snapshot - from.snapshot);
	if (left >= 0 && left < keepsUp) return left;
	const nearer = (behind(from) - behind(now)) / seconds;
	return nearer > 0 ? behind(now) / nearer : Infinity;
}

// useDatabase asks for what the host asks its database for. Something that changed in the status has it asked at once.
export const useDatabase = (path) => useFeed(reads.value ? path : '', asksDatabase);
