// What the host's stable words mean to a person.

// kinds are why a version is held.
export const kinds = {
	sql: 'the database refused a statement',
	connection: 'there is no connection to the database',
	guest_reject: 'the guest says that the statemap is wrong',
	guest_fault: 'the guest broke its contract',
	unreadable: 'the statemap has no meaning',
	unrouted: 'no route names a guest',
	contradiction: 'outcome and safepoint of the decision exclude each other',
	payload_lost: 'retention took the candidate before it was installed',
	late_commit: 'a record that the certifier’s parser refuses was committed',
	candidate_missing: 'the log has no such candidate',
	log_diverged: 'another log stands where one was read',
	assertion: 'this host is wrong, or somebody’s hand was in its tables',
};

// states are what became of a guest's module.
export const states = {
	asked: 'somebody puts its file in place',
	received: 'the host has it and checks it',
	checked: 'it passed each step of the check',
	shadow: 'it is compared with the one that converts',
	armed: 'it is to convert',
	active: 'it converts',
	proven: 'its probation is over',
	back: 'it converts again, for the one after it did worse on probation',
	refused: 'it is not taken',
	gone: 'it was taken back or rolled back',
	draining: 'another converts what follows; it finishes what it was given',
	warm: 'no version needs it any more; it stays loaded, to go back to',
	retired: 'nothing needs it any more, and it is closed',
};

// stands are where a version is on its way, in few words.
export const stands = {
	not_read: 'not read yet', no_candidate: 'no candidate', undecided: 'undecided', behind_undecided: 'behind an undecided version',
	awaiting_payload: 'is read again', converting: 'with its guest', waiting: 'waits for others', backing_off: 'is tried again',
	ready: 'ready', in_flight: 'in flight', held: 'held', installed_ahead: 'installed ahead', settled: 'settled',
	below_snapshot: 'below the snapshot',
};

// stage says at which station of the pipeline a reason is seen.
export const stage = {
	source_unavailable: 'log', open_transaction: 'log', undecided: 'suffix', converting: 'queue', loading_guests: 'queue',
	installing: 'lanes', contention: 'lanes', statement_timeout: 'lanes', poison_held: 'lanes', database_unavailable: 'lanes',
	database_refuses: 'lanes', paused: 'lanes', starting: 'log', reloading: 'log', standby: 'log', no_owner: 'log', stopped: 'log',
};

// meanwhile says what the next version waits for while that is nothing to look at; for when it lasts there are reasons.
export const meanwhile = {
	undecided: 'The next version has no decision yet.', converting: 'A guest converts the next version.', installing: 'The next version is being installed.',
	contention: 'Another transaction holds a row of the next version.',
};

// legs are the ways between two events of a journey, named by the event at their end: what happens, and whose time it
// is: that of others (the certifier, versions before it), of this host, of a guest, or of the database.
export const legs = {
	ReplicatorDecisionReceived: ['waits for its decision', 'others'],
	ReplicatorStatemapPicked: ['behind earlier versions', 'others'],
	GuestConversionBegin: ['host, before the guest', 'host'],
	GuestConversionComplete: ['guest converts', 'guest'],
	QueueStatemapReceived: ['host, after the guest', 'host'],
	QueueStatemapSent: ['in the queue', 'others'],
	InstallerStatemapReceived: ['to its lane', 'host'],
	InstallerStatemapInstallionBegin: ['in its lane', 'host'],
	InstallerStatemapInstallationComplete: ['database installs', 'database'],
	SnapshotPersisted: ['until the snapshot', 'others'],
};

// owners are whose time a leg is.
export const owners = { others: 'waits for others', host: 'host', guest: 'guest', database: 'database' };
