// Feeds are questions that are asked again and again while somebody looks: each second, or less often where an answer
// costs the host a question to its database. A tab that is hidden asks nothing; where the host does not answer, the
// pauses grow.
import { effect, signal, useEffect } from './html.js';
import { Lost, contact, get, token } from './host.js';

// How often: what the host knows by itself, and what it asks its database.
export const everySecond = 1000;
export const asksDatabase = 5000;

const pauseMost = 30e3;

const feeds = new Map();

// Feed is one of them. Value is the latest good answer, undefined before one; error what is wrong now.
class Feed {
	constructor(path, every, fetcher) {
		Object.assign(this, { path, every, fetcher, users: 0, failures: 0, timer: 0, asking: false });
		this.value = signal(undefined);
		this.error = signal(undefined);
	}

	// ask asks now, unless it is being asked.
	async ask() {
		clearTimeout(this.timer);
		if (this.asking || !this.users || document.hidden) return;
		this.asking = true;
		try {
			this.value.value = await this.fetcher(this.path, this.value.peek());
			this.error.value = undefined;
			this.failures = 0;
		} catch (e) {
			this.error.value = e;
			this.failures++;
		}
		this.asking = false;
		this.wait();
	}

	wait() {
		const pause = Math.min(pauseMost, this.every * 2 ** this.failures);
		if (this.error.peek() instanceof Lost) {
			contact.value = { ...contact.peek(), again: Date.now() + pause };
		}
		clearTimeout(this.timer);
		if (this.users) this.timer = setTimeout(() => this.ask(), pause);
	}
}

// useFeed returns the feed of a path, and asks it as long as the component is shown; path may be empty for none.
export function useFeed(path, every = everySecond, fetcher = get) {
	let feed = feeds.get(path);
	if (!feed) {
		feed = new Feed(path, every, fetcher);
		if (path) feeds.set(path, feed); // another component of this drawing finds it
	}
	useEffect(() => {
		if (!path) return undefined;
		feeds.set(path, feed);
		feed.users++;
		feed.ask();
		return () => {
			feed.users--;
			if (feed.users) return;
			clearTimeout(feed.timer);
			if (feeds.get(path) === feed) feeds.delete(path);
		};
	}, [path, feed]);
	return feed;
}

// askAll asks everything at once: after a change, when the tab is shown again, when somebody wants to know.
export function askAll() {
	for (const feed of feeds.values()) {
		feed.failures = 0;
		feed.ask();
	}
}

document.addEventListener('visibilitychange', () => !document.hidden && askAll());

// Another token may see something else.
let first = true;
effect(() => {
	token.value;
	if (!first) setTimeout(askAll);
	first = false;
});
