// A Stan program behind plain C functions: its names, its log-density and gradient in unconstrained space, its
// parameters on their own scale, and Stan's own sampler on it.  Functions return 0, or 1 where Stan has raised an error.
#include "header.hpp"
#include <stan/callbacks/logger.hpp>
#include <stan/io/json/json_data.hpp>
#include <stan/mcmc/hmc/nuts/adapt_diag_e_nuts.hpp>
#include <stan/model/log_prob_grad.hpp>
#include <stan/services/util/create_rng.hpp>
#include <algorithm>
#include <cstring>
#include <ctime>

using Model = stan::model::model_base;
using Vector = Eigen::VectorXd;

Model& new_model(stan::io::var_context& data, unsigned int seed, std::ostream* messages);

namespace {

std::ostream nowhere(nullptr);

Vector vector(const Model* model, const double* position) {
  static thread_local stan::math::ChainableStack stack;  // of whichever thread the sampler calls from
  return Eigen::Map<const Vector>(position, model->num_params_r());
}

void copy(const std::string& text, char* to, int size) {
  std::strncpy(to, text.c_str(), size - 1);
  to[size - 1] = 0;
}

}  // namespace

extern "C" {

Model* stan_new(const char* json, char* error, int size) try {
  std::istringstream text(json);
  stan::json::json_data data(text);
  return &new_model(data, 1, &nowhere);
} catch (const std::exception& raised) {
  copy(raised.what(), error, size);
  return nullptr;
}

int stan_dim(const Model* model) { return model->num_params_r(); }

// Names of all parameters, and with them of transformed ones, one to a line; returns how long they are.
int stan_names(const Model* model, int transformed, char* names, int size) {
  std::vector<std::string> all;
  model->constrained_param_names(all, transformed, false);
  std::string joined;
  for (const auto& name : all) joined += name + "\n";
  if (size > 0) copy(joined, names, size);
  return joined.size();
}

int stan_log_density(const Model* model, const double* position, double* value, double* gradient) try {
  Vector x = vector(model, position), slope;
  *value = stan::model::log_prob_grad<true, true>(*model, x, slope, &nowhere);
  std::copy(slope.data(), slope.data() + slope.size(), gradient);
  return 0;
} catch (...) {
  stan::math::recover_memory();
  return 1;
}

// All parameters and transformed ones on their own scale.
int stan_constrain(const Model* model, const double* position, double* values) try {
  Vector x = vector(model, position), out;
  stan::rng_t rng = stan::services::util::create_rng(1, 1);
  model->write_array(rng, x, out, true, false, &nowhere);
  std::copy(out.data(), out.data() + out.size(), values);
  return 0;
} catch (...) {
  return 1;
}

// Stan's no-U-turn sampler with its defaults.  Of each draw: its position, and leapfrog steps, whether it diverged, and
// the step size, of warm-up too; and the processor time of warm-up and of sampling.
int stan_sample(Model* model, const double* start, unsigned int seed, unsigned int chain, int tune, int draws,
                double* positions, double* statistics, double* seconds, char* error, int size) try {
  Vector x = vector(model, start);
  stan::rng_t rng = stan::services::util::create_rng(seed, chain);
  stan::callbacks::logger logger;
  stan::mcmc::adapt_diag_e_nuts<Model, stan::rng_t> sampler(*model, rng);
  sampler.set_nominal_stepsize(1);
  sampler.set_stepsize_jitter(0);
  sampler.set_max_depth(10);
  auto& adaptation = sampler.get_stepsize_adaptation();
  adaptation.set_mu(std::log(10.0));
  adaptation.set_delta(0.8);
  adaptation.set_gamma(0.05);
  adaptation.set_kappa(0.75);
  adaptation.set_t0(10);
  sampler.set_window_params(tune, 75, 50, 25, logger);
  sampler.engage_adaptation();
  sampler.z().q = x;
  sampler.init_stepsize(logger);
  stan::mcmc::sample draw(x, 0, 0);
  std::vector<std::string> names;
  sampler.get_sampler_param_names(names);
  auto place = [&](const char* name) { return std::find(names.begin(), names.end(), name) - names.begin(); };
  const auto steps = place("n_leapfrog__"), diverging = place("divergent__"), step_size = place("stepsize__");
  std::clock_t began = std::clock();
  for (int i = 0; i < tune + draws; ++i) {
    if (i == tune) {
      sampler.disengage_adaptation();
      seconds[0] = double(std::clock() - began) / CLOCKS_PER_SEC;
      began = std::clock();
    }
    draw = sampler.transition(draw, logger);
    std::vector<double> values;
    sampler.get_sampler_params(values);
    for (auto which : {steps, diverging, step_size}) *statistics++ = values[which];
    if (i >= tune) positions = std::copy(draw.cont_params().data(), draw.cont_params().data() + x.size(), positions);
  }
  seconds[1] = double(std::clock() - began) / CLOCKS_PER_SEC;
  return 0;
} catch (const std::exception& raised) {
  stan::math::recover_memory();
  copy(raised.what(), error, size);
  return 1;
}
}
