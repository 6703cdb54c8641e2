/* SPDX-License-Identifier: Apache-2.0
 *
 * What a probe found, as a table for people and as JSON.
 */
#include <jansson.h>
#include <string.h>

#include "probe.h"

static double seconds(const struct probe *p)
{
	return (double)(p->ended - p->started) / 1e9;
}

/* ---- text --------------------------------------------------------------------------------------------- */

static void row(const char *title, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void row(const char *title, const char *format, ...)
{
	va_list args;

	printf("%-17s ", title);
	va_start(args, format);
	(void)vprintf(format, args);
	va_end(args);
	putchar('\n');
}

static void print_list(const char *title, const struct probe_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		row(i == 0 ? title : "", "  %s%s%s%s", list->name[i],
		    i == 0 && list->order != NULL ? ", the " : "",
		    i == 0 && list->order != NULL ? list->order : "",
		    i == 0 && list->order != NULL ? " order decides" : "");
	}
}

/* protocol_version is what a server says that is too old (RFC 8446 §4.2.1), or we do. */
static const char *refusal(const struct enn_error *error)
{
	return error->wire_code == 70 ? "no (protocol_version)" : "no";
}

static const char *early_name(enum enn_early_data_state state)
{
	static const char *const names[] = {"not offered by the tickets", "offered", "accepted",
					    "rejected"};
	return names[state];
}

static void print_resumption(const struct probe_of_version *v, bool tls13)
{
	const struct probe_tickets *t = &v->tickets;

	if (!t->asked) {
		return;
	}
	if (!t->offered) {
		row("  resumption", "  no session to resume");
		return;
	}
	row("  resumption", "  %s for %lld s%s", t->resumed ? "yes," : "refused, of a session",
	    (long long)t->lifetime,
	    !t->resumed	       ? ""
	    : t->resumed_again ? ", again with the same session"
			       : ", once with each session");
	if (tls13) {
		row("  early data", "  %s", early_name(t->early_data));
	}
}

/* RFC 8879, RFC 9849: of TLS 1.3 only. */
static void print_extensions(const struct probe *p)
{
	for (size_t i = 0; i < p->compression.count; i++) {
		row(i == 0 ? "  compression" : "", "  %s (of its certificate)",
		    p->compression.name[i]);
	}
	if (p->compression.count == 0) {
		row("  compression", "  %s", p->compression.complete ? "none" : "not tried");
	}
	row("  ECH", "  %s",
	    p->ech_grease == NULL		     ? "not tried"
	    : strcmp(p->ech_grease, "answered") == 0 ? "yes: it answers with configurations"
	    : strcmp(p->ech_grease, "ignored") == 0  ? "no: what looks like it is ignored"
						     : "NOT even ignored: refused");
	if (p->ech != NULL) {
		row("", "  with --ech %s%s%s", p->ech, strcmp(p->ech, "failed") == 0 ? ": " : "",
		    strcmp(p->ech, "failed") == 0 ? p->ech_error.text : "");
	}
}

static void print_version(const struct probe *p, enum probe_version version)
{
	const struct probe_of_version *v = &p->version[version];
	bool tls13 = version == PROBE_TLS13;

	if (!v->supported) {
		row(probe_version_name[version], "%s%s%s",
		    v->known ? refusal(&v->error) : "cannot be probed by this build",
		    v->known ? ": " : "", v->known ? v->error.text : "");
		return;
	}
	row(probe_version_name[version], "yes");
	print_list("  suites", &v->suites);
	print_list("  obsolete suites", &v->old_suites);
	print_list("  groups", &v->groups);
	print_list("  signatures", &v->signatures);
	if (tls13) {
		row("  retry", "  %s",
		    v->retry	     ? "yes"
		    : v->needs_share ? "no, a key share is needed at once"
				     : "not seen");
		row("  key update", "  %s", p->key_update == NULL ? "not tried" : p->key_update);
		print_extensions(p);
	}
	if (!tls13) {
		row("  main secret", "  %s",
		    v->info.extended_main_secret ? "extended (RFC 7627)"
						 : "NOT extended (RFC 7627)");
		row("  renegotiation", "  %s", "its indication is secure (RFC 5746)");
	}
	if (v->info.record_size_limit > 0) {
		row("  record limit", "  %u bytes", v->info.record_size_limit);
	} else {
		row("  record limit", "  none told");
	}
	print_resumption(v, tls13);
}

static void print_protocols(const struct probe *p)
{
	for (size_t i = 0; i < p->protocols.count; i++) {
		row(i == 0 ? "ALPN" : "", "%s", p->protocols.name[i]);
	}
	row(p->protocols.count == 0 ? "ALPN" : "", "%sunknown protocols: %s",
	    p->protocols.count == 0 ? "none of the usual; " : "",
	    p->unknown_protocol == NULL ? "not tried" : p->unknown_protocol);
	row("client", "%s",
	    p->asks_client ? "is asked for a certificate" : "is not asked for a certificate");
	row("raw keys", "%s",
	    p->raw_key[0] != '\0' ? p->raw_key
	    : p->raw_key_asked	  ? "none (RFC 7250)"
				  : "not tried");
	row("server name", "%s%s", p->without_name == NULL ? "not tried" : "without it: ",
	    p->without_name == NULL ? "" : p->without_name);
}

static void print_chains(const struct probe *p)
{
	struct certificate c;

	for (size_t i = 0; i < p->chain_count; i++) {
		const struct probe_chain *chain = &p->chain[i];
		row("certificate", "with %s: %s, %s%s%s", chain->signature,
		    chain->trusted  ? "trusted"
		    : chain->judged ? "NOT trusted"
				    : "not judged",
		    chain->staple_good ? "good OCSP response stapled"
		    : chain->stapled   ? "OCSP response stapled"
				       : "no OCSP response",
		    chain->compression == NULL ? "" : ", compressed with ",
		    chain->compression == NULL ? "" : chain->compression);
		for (size_t j = 0; j < chain->count; j++) {
			if (certificate_read(chain->certificate[j].der, chain->certificate[j].len,
					     &c)) {
				printf("  %zu\n", j);
				certificate_print(stdout, &c, "      ");
			}
		}
	}
}

void probe_print(const struct probe *p)
{
	char address[ENN_ADDRESS_TEXT_MAX];

	printf("%s://%s:%s at %s, %u connections in %.1f s%s\n\n", p->o->protocol->scheme,
	       p->o->host, p->o->service, enn_address_string(&p->address, address, sizeof(address)),
	       p->connections, seconds(p),
	       p->timed_out	   ? ", NOT complete: the time was over"
	       : p->unanswered > 0 ? ", NOT complete: some were not answered"
				   : "");
	for (int v = 0; v < PROBE_VERSIONS; v++) {
		print_version(p, (enum probe_version)v);
	}
	print_protocols(p);
	print_chains(p);
	for (size_t i = 0; i < p->problem_count; i++) {
		row(i == 0 ? "problems" : "", "%s: %s", p->problem[i].what, p->problem[i].text);
	}
	if (p->problem_count == 0) {
		row("problems", "none");
	}
}

/* ---- JSON ---------------------------------------------------------------------------------------------- */

static json_t *text(const char *t)
{
	json_t *j = t == NULL ? json_null() : json_string(t);

	return j == NULL ? json_string("?") : j; /* a peer's bytes that are no UTF-8 */
}

static json_t *list_json(const struct probe_list *list)
{
	json_t *names = json_array();

	for (size_t i = 0; i < list->count; i++) {
		json_array_append_new(names, text(list->name[i]));
	}
	return json_pack("{s:o,s:o}", "names", names, "order",
			 list->order == NULL			? json_null()
			 : strcmp(list->order, "server's") == 0 ? json_string("server")
								: json_string("client"));
}

static json_t *resumption_json(const struct probe_tickets *t)
{
	static const char *const early[] = {"not offered", "offered", "accepted", "rejected"};

	return json_pack("{s:b,s:b,s:I,s:b,s:s}", "offered", t->offered, "resumed", t->resumed,
			 "lifetime", (json_int_t)t->lifetime, "again", t->resumed_again,
			 "early_data", early[t->early_data]);
}

static json_t *version_json(const struct probe *p, enum probe_version version)
{
	const struct probe_of_version *v = &p->version[version];
	json_t *j = json_pack("{s:s,s:b,s:b}", "version", probe_version_name[version], "probed",
			      v->known, "supported", v->supported);

	if (!v->supported) {
		json_object_set_new(j, "error", v->known ? text(v->error.text) : json_null());
		return j;
	}
	json_object_set_new(j, "suites", list_json(&v->suites));
	json_object_set_new(j, "obsolete_suites", list_json(&v->old_suites));
	json_object_set_new(j, "groups", list_json(&v->groups));
	json_object_set_new(j, "signatures", list_json(&v->signatures));
	json_object_set_new(j, "record_size_limit",
			    v->info.record_size_limit == 0
				    ? json_null()
				    : json_integer(v->info.record_size_limit));
	json_object_set_new(j, "resumption", resumption_json(&v->tickets));
	if (version == PROBE_TLS12) {
		json_object_set_new(j, "extended_main_secret",
				    json_boolean(v->info.extended_main_secret));
	} else {
		json_object_set_new(j, "retry", json_boolean(v->retry));
		json_object_set_new(j, "needs_key_share", json_boolean(v->needs_share));
		json_object_set_new(j, "key_update", text(p->key_update));
		json_object_set_new(j, "compression", list_json(&p->compression));
		json_object_set_new(j, "ech",
				    json_pack("{s:o,s:o}", "grease", text(p->ech_grease),
					      "configured", text(p->ech)));
	}
	return j;
}

static json_t *chain_json(const struct probe_chain *chain)
{
	json_t *list = json_array();
	struct certificate c;

	for (size_t i = 0; i < chain->count; i++) {
		if (certificate_read(chain->certificate[i].der, chain->certificate[i].len, &c)) {
			json_array_append_new(list, certificate_json(&c));
		}
	}
	return json_pack("{s:s,s:b,s:o,s:o,s:s,s:o}", "signature", chain->signature, "trusted",
			 chain->trusted, "error",
			 chain->trusted ? json_null() : text(chain->error.text), "certificates",
			 list, "ocsp",
			 chain->staple_good ? "good"
			 : chain->stapled   ? "stapled"
					    : "none",
			 "compression", text(chain->compression));
}

void probe_print_json(const struct probe *p)
{
	char address[ENN_ADDRESS_TEXT_MAX];
	json_t *versions = json_array();
	json_t *chains = json_array();
	json_t *problems = json_array();

	for (int v = 0; v < PROBE_VERSIONS; v++) {
		json_array_append_new(versions, version_json(p, (enum probe_version)v));
	}
	for (size_t i = 0; i < p->chain_count; i++) {
		json_array_append_new(chains, chain_json(&p->chain[i]));
	}
	for (size_t i = 0; i < p->problem_count; i++) {
		json_array_append_new(problems, json_pack("{s:s,s:o}", "what", p->problem[i].what,
							  "text", text(p->problem[i].text)));
	}
	json_t *j = json_pack("{s:s,s:s,s:s,s:s,s:i,s:f,s:b}", "host", p->o->host, "service",
			      p->o->service, "name", p->name, "address",
			      enn_address_string(&p->address, address, sizeof(address)),
			      "connections", (int)p->connections, "seconds", seconds(p), "complete",
			      !p->timed_out && p->unanswered == 0);
	json_object_set_new(j, "versions", versions);
	json_object_set_new(j, "alpn", list_json(&p->protocols));
	json_object_set_new(j, "unknown_alpn", text(p->unknown_protocol));
	json_object_set_new(j, "asks_client", json_boolean(p->asks_client));
	json_object_set_new(j, "raw_key", p->raw_key[0] == '\0' ? json_null() : text(p->raw_key));
	json_object_set_new(j, "without_name", text(p->without_name));
	json_object_set_new(j, "chains", chains);
	json_object_set_new(j, "problems", problems);
	json_dumpf(j, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(j);
}
