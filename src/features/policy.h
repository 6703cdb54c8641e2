/* SPDX-License-Identifier: Apache-2.0
 *
 * Algorithm policies: one line of text that sets every list of algorithms at once. The grammar is
 * with enn_security_set_policy in ennead/security.h.
 */
#ifndef ENN_FEATURES_POLICY_H
#define ENN_FEATURES_POLICY_H

#include "features/security.h"

/* The lists that a policy sets. */
enum enn_policy_kind {
	ENN_POLICY_VERSIONS,
	ENN_POLICY_SUITES,
	ENN_POLICY_GROUPS,
	ENN_POLICY_SIGNATURES,
	ENN_POLICY_CERT_SIGNATURES,
	ENN_POLICY_PSK_MODES,
	ENN_POLICY_KINDS
};

/* A policy while it is read: what is in each list, and what a '!' keeps out of it. */
struct enn_policy {
	struct enn_code_list list[ENN_POLICY_KINDS];
	struct enn_code_list barred[ENN_POLICY_KINDS];
	bool legacy_cbc;
	bool without_ems;
};

/* Reads text into *policy; nothing is changed in any security parameters. */
enum enn_status enn_policy_parse(struct enn_policy *policy, const char *text,
				 struct enn_error *error);
/* The parameter that holds a kind's list. */
enum enn_security_parameter enn_policy_parameter(enum enn_policy_kind kind);

#endif
