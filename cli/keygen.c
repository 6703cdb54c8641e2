/* SPDX-License-Identifier: Apache-2.0
 *
 * ennead keygen: keys, certificates, requests and revocation lists for trying things out and
 * for small deployments.
 */
#include "keygen.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cli_keygen_help(FILE *out)
{
	fputs("  --out PREFIX      write PREFIX.key and PREFIX.pem (PREFIX.csr, PREFIX.crl)\n"
	      "  --type TYPE       p256 (default), p384, ed25519, rsa2048, rsa3072\n"
	      "  --ca              an authority: self-signed, or signed by --issuer\n"
	      "  --issuer PREFIX   sign with the authority in PREFIX.pem and PREFIX.key\n"
	      "  --name NAME       the subject's common name\n"
	      "  --host HOST       a host name or address that the certificate is for; again for "
	      "more\n"
	      "  --client          only for clients\n"
	      "  --server          only for servers\n"
	      "  --days N          valid for N days (365); negative: ended already, for tests\n"
	      "  --csr             a request instead of a certificate\n"
	      "  --raw-key         no certificate: the public key in PREFIX.pub, and its pin on "
	      "standard output\n"
	      "  --sign-csr FILE   a certificate for this request (with --issuer)\n"
	      "  --crl             a revocation list of --issuer\n"
	      "  --revoke FILE     a certificate to put on it; again for more\n"
	      "  --force           replace files that are there\n"
	      "\n"
	      "keygen wireguard    a private key on standard output, its public key on standard "
	      "error\n"
	      "  --psk             a preshared key instead\n"
	      "  --pubkey          the public key of the private key on standard input\n"
	      "\n"
	      "keygen ech          a key of Encrypted ClientHello; clients need what is printed\n"
	      "  --name NAME       the name that everybody sees, which the server has a "
	      "certificate for\n"
	      "  --out FILE        the file, with key and configuration\n"
	      "  --force           replace it\n"
	      "\n"
	      "keygen pool-key     the secret of servers that share a session store\n"
	      "  --out FILE        the file\n"
	      "  --force           replace it\n",
	      out);
}

static bool path_of(char *out, size_t cap, const char *prefix, const char *suffix)
{
	int n = snprintf(out, cap, "%s.%s", prefix, suffix);

	if (n < 0 || (size_t)n >= cap) {
		cli_error("keygen: '%s' is too long", prefix);
		return false;
	}
	return true;
}

/* Opens for writing; a file that is there only with --force. Keys are for their owner only. */
static FILE *create(const struct keygen *k, const char *suffix, mode_t mode)
{
	char path[PATH_MAX];

	if (!path_of(path, sizeof(path), k->out, suffix)) {
		return NULL;
	}
	if (k->force && unlink(path) != 0 && errno != ENOENT) {
		cli_error("%s: %s", path, strerror(errno));
		return NULL;
	}
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0) {
		cli_error("%s: %s%s", path, strerror(errno),
			  errno == EEXIST ? " (--force replaces it)" : "");
		return NULL;
	}
	FILE *file = fdopen(fd, "w");
	if (file == NULL) {
		(void)close(fd);
	}
	return file;
}

/* Before anything is written: a new key must not come to lie beside an old certificate. */
static bool all_absent(const struct keygen *k, const char *first, const char *second)
{
	const char *suffixes[] = {first, second};
	char path[PATH_MAX];

	for (size_t i = 0; i < 2 && !k->force; i++) {
		if (!path_of(path, sizeof(path), k->out, suffixes[i])) {
			return false;
		}
		if (access(path, F_OK) == 0) {
			cli_error("%s: %s (--force replaces it)", path, strerror(EEXIST));
			return false;
		}
	}
	return true;
}

static bool finish(FILE *file, bool written)
{
	bool good = fclose(file) == 0 && written;

	if (!good) {
		cli_error("keygen: writing failed");
	}
	return good;
}

static bool write_key(const struct keygen *k, EVP_PKEY *key)
{
	FILE *file = create(k, "key", 0600);

	return file != NULL &&
	       finish(file, PEM_write_PKCS8PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
}

/* The certificate, and its issuer's unless that is a root. */
static bool write_certificate(const struct keygen *k, X509 *x, X509 *issuer)
{
	FILE *file = create(k, "pem", 0644);

	if (file == NULL) {
		return false;
	}
	bool good = PEM_write_X509(file, x) == 1;
	bool root = issuer == NULL ||
		    X509_NAME_cmp(X509_get_subject_name(issuer), X509_get_issuer_name(issuer)) == 0;
	return finish(file, good && (root || PEM_write_X509(file, issuer) == 1));
}

static bool read_issuer(const struct keygen *k, X509 **certificate, EVP_PKEY **key)
{
	char path[PATH_MAX];
	BIO *in;

	if (!path_of(path, sizeof(path), k->issuer, "pem")) {
		return false;
	}
	in = BIO_new_file(path, "r");
	*certificate = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	BIO_free(in);
	if (*certificate == NULL) {
		cli_error("%s: no certificate there", path);
		return false;
	}
	(void)path_of(path, sizeof(path), k->issuer, "key");
	in = BIO_new_file(path, "r");
	*key = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) : NULL;
	BIO_free(in);
	if (*key == NULL || X509_check_private_key(*certificate, *key) != 1) {
		cli_error("%s: no key there that fits the certificate", path);
		return false;
	}
	return true;
}

/* ---- the four things to make --------------------------------------------------------------- */

static bool make_certificate(const struct keygen *k, X509 *issuer, EVP_PKEY *issuer_key)
{
	EVP_PKEY *key = all_absent(k, "key", "pem") ? keygen_key(k->type) : NULL;
	X509 *x = key ? keygen_certificate(k, key, issuer, issuer_key) : NULL;
	bool good = x != NULL && write_key(k, key) && write_certificate(k, x, issuer);

	X509_free(x);
	EVP_PKEY_free(key);
	return good;
}

static bool make_request(const struct keygen *k)
{
	EVP_PKEY *key = all_absent(k, "key", "csr") ? keygen_key(k->type) : NULL;
	X509_REQ *request = key ? keygen_request(k, key) : NULL;
	bool good = request != NULL && write_key(k, key);
	FILE *file = good ? create(k, "csr", 0644) : NULL;

	good = file != NULL && finish(file, PEM_write_X509_REQ(file, request) == 1);
	X509_REQ_free(request);
	EVP_PKEY_free(key);
	return good;
}

/* sha256/ and the digest of the SubjectPublicKeyInfo in base64 (RFC 7469): what --pin takes. */
static bool print_pin(EVP_PKEY *key)
{
	unsigned char *der = NULL;
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned char text[64];
	int len = i2d_PUBKEY(key, &der);
	bool good = len > 0 &&
		    EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL) == 1 &&
		    EVP_EncodeBlock(text, digest, 32) > 0;

	OPENSSL_free(der);
	return good && printf("sha256/%s\n", (const char *)text) > 0;
}

static bool make_raw_key(const struct keygen *k)
{
	EVP_PKEY *key = all_absent(k, "key", "pub") ? keygen_key(k->type) : NULL;
	bool good = key != NULL && write_key(k, key);
	FILE *file = good ? create(k, "pub", 0644) : NULL;

	good = file != NULL && finish(file, PEM_write_PUBKEY(file, key) == 1) && print_pin(key);
	EVP_PKEY_free(key);
	return good;
}

static bool sign_request(const struct keygen *k, X509 *issuer, EVP_PKEY *issuer_key)
{
	BIO *in = BIO_new_file(k->sign, "r");
	X509_REQ *request = in ? PEM_read_bio_X509_REQ(in, NULL, NULL, NULL) : NULL;

	BIO_free(in);
	if (request == NULL) {
		cli_error("%s: no certificate request there", k->sign);
		return false;
	}
	X509 *x = keygen_sign_request(k, request, issuer, issuer_key);
	bool good = x != NULL && write_certificate(k, x, issuer);
	X509_free(x);
	X509_REQ_free(request);
	return good;
}

static bool make_crl(const struct keygen *k, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509_CRL *crl = keygen_crl(k, issuer, issuer_key);
	FILE *file = crl ? create(k, "crl", 0644) : NULL;
	bool good = file != NULL && finish(file, PEM_write_X509_CRL(file, crl) == 1);

	X509_CRL_free(crl);
	return good;
}

/* ---- arguments ---------------------------------------------------------------------------------- */

enum {
	OUT = 256,
	TYPE,
	CA,
	ISSUER,
	NAME,
	HOST,
	CLIENT,
	SERVER,
	DAYS,
	CSR,
	RAW_KEY,
	SIGN,
	CRL,
	REVOKE,
	FORCE
};

static const struct option options[] = {
	{"out", required_argument, NULL, OUT},
	{"type", required_argument, NULL, TYPE},
	{"ca", no_argument, NULL, CA},
	{"issuer", required_argument, NULL, ISSUER},
	{"name", required_argument, NULL, NAME},
	{"host", required_argument, NULL, HOST},
	{"client", no_argument, NULL, CLIENT},
	{"server", no_argument, NULL, SERVER},
	{"days", required_argument, NULL, DAYS},
	{"csr", no_argument, NULL, CSR},
	{"raw-key", no_argument, NULL, RAW_KEY},
	{"sign-csr", required_argument, NULL, SIGN},
	{"crl", no_argument, NULL, CRL},
	{"revoke", required_argument, NULL, REVOKE},
	{"force", no_argument, NULL, FORCE},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static bool take_days(struct keygen *k)
{
	char *end;

	k->days = strtol(optarg, &end, 10);
	if (end == optarg || *end != '\0' || k->days == 0 || k->days > 36500 || k->days < -36500) {
		cli_error("keygen: --days wants a number of days, not '%s'", optarg);
		return false;
	}
	return true;
}

static bool append(const char **list, size_t *count)
{
	if (*count == KEYGEN_MAX_HOSTS) {
		cli_error("keygen: too many of one option");
		return false;
	}
	list[(*count)++] = optarg;
	return true;
}

static bool take(struct keygen *k, int c)
{
	switch (c) {
	case OUT:
		k->out = optarg;
		return true;
	case TYPE:
		k->type = optarg;
		return true;
	case CA:
		k->ca = true;
		return true;
	case ISSUER:
		k->issuer = optarg;
		return true;
	case NAME:
		k->name = optarg;
		return true;
	case HOST:
		return append(k->host, &k->host_count);
	case CLIENT:
		k->client = true;
		return true;
	case SERVER:
		k->server = true;
		return true;
	case DAYS:
		return take_days(k);
	case CSR:
		k->csr = true;
		return true;
	case RAW_KEY:
		k->raw = true;
		return true;
	case SIGN:
		k->sign = optarg;
		return true;
	case CRL:
		k->crl = true;
		return true;
	case REVOKE:
		return append(k->revoke, &k->revoke_count);
	case FORCE:
		k->force = true;
		return true;
	default:
		return false;
	}
}

static bool check(const struct keygen *k)
{
	int kinds = k->csr + k->crl + k->raw + (k->sign != NULL);

	if (k->out == NULL) {
		cli_error("keygen: --out PREFIX is needed");
		return false;
	}
	if (kinds > 1) {
		cli_error("keygen: --csr, --crl, --raw-key and --sign-csr exclude each other");
		return false;
	}
	if ((k->crl || k->sign != NULL) && k->issuer == NULL) {
		cli_error("keygen: --issuer is needed");
		return false;
	}
	if (!k->ca && !k->crl && !k->raw && k->sign == NULL && k->host_count == 0 &&
	    k->name == NULL) {
		cli_error("keygen: --host or --name is needed");
		return false;
	}
	return true;
}

static bool make(const struct keygen *k)
{
	X509 *issuer = NULL;
	EVP_PKEY *issuer_key = NULL;
	bool good = k->issuer == NULL || read_issuer(k, &issuer, &issuer_key);

	if (good) {
		good = k->csr	 ? make_request(k)
		       : k->raw	 ? make_raw_key(k)
		       : k->crl	 ? make_crl(k, issuer, issuer_key)
		       : k->sign ? sign_request(k, issuer, issuer_key)
				 : make_certificate(k, issuer, issuer_key);
	}
	X509_free(issuer);
	EVP_PKEY_free(issuer_key);
	return good;
}

static int unknown_option(const char *word)
{
	const char *names[sizeof(options) / sizeof(options[0])];
	size_t count = 0;

	for (; options[count].name != NULL; count++) {
		names[count] = options[count].name;
	}
	word += strspn(word, "-");
	const char *near = cli_nearest(word, names, count);
	cli_error("keygen: '--%s' is unknown or lacks its value%s%s%s", word,
		  near ? "; did you mean '--" : "", near ? near : "", near ? "'?" : "");
	return CLI_USAGE;
}

int cli_keygen(int argc, char **argv)
{
	struct keygen k = {.type = "p256", .days = 365};
	int c;

	if (argc > 1 && strcmp(argv[1], "wireguard") == 0) {
		return cli_keygen_wireguard(argc - 1, argv + 1);
	}
	if (argc > 1 && strcmp(argv[1], "pool-key") == 0) {
		return cli_keygen_pool_key(argc - 1, argv + 1);
	}
	if (argc > 1 && strcmp(argv[1], "ech") == 0) {
		return cli_keygen_ech(argc - 1, argv + 1);
	}
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (c == 'h') {
			cli_keygen_help(stdout);
			return CLI_OK;
		}
		if (c == '?' || c == ':') {
			return unknown_option(argv[optind - 1]);
		}
		if (!take(&k, c)) {
			return CLI_USAGE;
		}
	}
	if (optind < argc) {
		cli_error("keygen: '%s' is not an option", argv[optind]);
		return CLI_USAGE;
	}
	if (!check(&k)) {
		return CLI_USAGE;
	}
	return make(&k) ? CLI_OK : CLI_LOCAL;
}
